"""Boundary IoU (Cheng et al., CVPR 2021): IoU of the pixels within a distance of each mask's contour."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from diffusers_attnmask.ground.ids import IGNORE_ID

DILATION = 0.02  # of the image diagonal, as published


def boundary_counts(prediction: np.ndarray, reference: np.ndarray, classes: int) -> np.ndarray:
    """Intersections and unions of the boundary regions, int64 (2, classes), outside ignored pixels.

    prediction, reference: uint8 (H, W).
    """
    counts = np.zeros((2, classes), dtype=np.int64)
    counted = reference != IGNORE_ID
    width = max(1, round(DILATION * float(np.hypot(*reference.shape))))
    present = np.union1d(prediction[counted], reference[counted])
    for label in present[present < classes]:
        ours, theirs = (inner_boundary(mask == label, width) & counted for mask in (prediction, reference))
        counts[:, label] = (ours & theirs).sum(), (ours | theirs).sum()
    return counts


def inner_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a bool mask (H, W) that `width` erosions by 3 × 3 remove; beyond the image is not mask."""
    outside = torch.from_numpy(~mask)[None, None].float()
    outside = functional.pad(outside, (width,) * 4, value=1.0)
    # the separable maximum over a (2 width + 1) square equals the repeated erosion
    spread = functional.max_pool2d(outside, (2 * width + 1, 1), stride=1)
    spread = functional.max_pool2d(spread, (1, 2 * width + 1), stride=1)
    return mask & (spread[0, 0] > 0).numpy()
