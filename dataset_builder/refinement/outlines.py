"""Outlines moved to the edges that the image itself has."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np
import torch
from scipy.ndimage import binary_dilation, distance_transform_edt, sobel
from torch import Tensor

from .components import IGNORED, PUBLISHED_AREA

REACH = 8.0  # pixels of a 512 x 512 image that an outline may move: one of its latents
# CIE Lab, where distances are as large as they look: sRGB's primaries in XYZ, relative to its white (D65).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
LAB = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]])


def snapped(image: np.ndarray, labels: Tensor, reach: float = REACH) -> Tensor:
    """Labels (H, W) with their outlines on the edges of an image uint8 (H, W, 3); ignored pixels are decided.

    Attention is coarser than the image, so that an outline is a few pixels off and its corners are round.
    Every pixel within `reach` of one is given up and won back by the labels around it, as water rises over
    the image's colour gradient (watershed). A label that would lose all its pixels keeps them.
    """
    given = labels.cpu().numpy()
    if (given == IGNORED).all():
        return labels
    nearest = distance_transform_edt(given == IGNORED, return_distances=False, return_indices=True)
    certain = given[tuple(nearest)]
    outline = changes(certain)
    steps = round(reach * np.sqrt(given.size / PUBLISHED_AREA))
    if steps < 1 or not outline.any():
        return torch.from_numpy(certain).to(labels.device)
    seeds = certain.astype(np.int64)
    seeds[binary_dilation(outline, iterations=steps - 1) if steps > 1 else outline] = -1
    lost = np.setdiff1d(certain, seeds)
    seeds = np.where(np.isin(certain, lost), certain, seeds)
    return torch.from_numpy(flooded(gradient(image), seeds).astype(given.dtype)).to(labels.device)


def changes(labels: np.ndarray) -> np.ndarray:
    """Where a pixel (H, W) has another label than one of its four neighbours."""
    found = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        ahead, found_ahead = np.moveaxis(labels, axis, 0), np.moveaxis(found, axis, 0)
        differ = ahead[1:] != ahead[:-1]
        found_ahead[1:] |= differ
        found_ahead[:-1] |= differ
    return found


def gradient(image: np.ndarray) -> np.ndarray:
    """How fast the colour of an image uint8 (H, W, 3) changes at each pixel, float64 (H, W)."""
    light = image / 255
    light = np.where(light > 0.04045, ((light + 0.055) / 1.055) ** 2.4, light / 12.92) @ (XYZ.T / XYZ.sum(1))
    light = np.where(light > 0.008856, np.cbrt(light), 7.787 * light + 16 / 116)
    colours = np.moveaxis(light @ LAB.T, -1, 0)
    return np.sqrt(sum(sobel(colour, axis) ** 2 for colour in colours for axis in (0, 1)))


def flooded(height: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Labels (H, W) that spread from `seeds`, -1 for none, over a landscape: the lowest pixel goes next, to
    the neighbour that reached it first."""
    rows, columns = seeds.shape
    labels = np.pad(seeds, 1, constant_values=-2).ravel()  # -2: beyond the image
    level = np.pad(height, 1).ravel().tolist()
    ways = (-(columns + 2), -1, 1, columns + 2)
    shore = np.flatnonzero(labels >= 0)
    shore = shore[np.any([labels[shore + way] == -1 for way in ways], axis=0)]
    waiting = [(level[place], age, place) for age, place in enumerate(shore.tolist())]
    heapify(waiting)
    age, labels = len(waiting), labels.tolist()
    while waiting:
        _, _, place = heappop(waiting)
        for way in ways:
            if labels[place + way] == -1:
                labels[place + way] = labels[place]
                heappush(waiting, (level[place + way], age, place + way))
                age += 1
    return np.array(labels).reshape(rows + 2, columns + 2)[1:-1, 1:-1]
