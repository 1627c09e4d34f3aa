"""Cleaning of masks by connected components."""

import numpy as np
import torch
from scipy.ndimage import binary_fill_holes, find_objects, label
from torch import Tensor

from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID

PUBLISHED_AREA = 512 * 512  # pixels of the image that published box areas refer to
EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def clean_components(labels: Tensor, least_box_area: float, fill: bool = True) -> Tensor:
    """Fill the outlines of each class in labels (H, W), and drop components whose bounding box is too small.

    `fill=False` leaves holes, which some objects have. The area is in pixels of a 512 x 512 image. Only
    background is filled, and only the class itself is dropped: other classes and ignored pixels stay. The
    image's border closes no outline.
    """
    cleaned = labels.cpu().numpy().copy()
    least = least_box_area * cleaned.size / PUBLISHED_AREA
    for class_id in np.unique(cleaned):
        if class_id in (BACKGROUND_ID, IGNORE_ID):
            continue
        own = cleaned == class_id
        filled = own | (binary_fill_holes(own) & (cleaned == 0)) if fill else own
        cleaned[filled] = class_id
        parts, _ = label(filled, EIGHT_NEIGHBOURS)
        for number, box in enumerate(find_objects(parts), start=1):
            if (box[0].stop - box[0].start) * (box[1].stop - box[1].start) < least:
                cleaned[box][parts[box] == number] = 0
    return torch.from_numpy(cleaned).to(labels.device)
