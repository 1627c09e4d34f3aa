"""The connected parts of each class in a mask."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy.ndimage import distance_transform_edt, label

TOUCHING = np.ones((3, 3), bool)  # parts also hang together over corners


def connected_parts(mask: np.ndarray, classes: Collection[int], least_area: float = 0.0) -> np.ndarray:
    """A number for each connected part of these classes in a mask (H, W), class after class: int32 (H, W).

    Parts of fewer than `least_area` pixels go with the nearest larger part of their class, the largest one of
    a class that has no other.

    >>> connected_parts(np.array([[1, 0, 2], [1, 0, 2], [0, 0, 1]], np.uint8), [1, 2]).tolist()
    [[1, 0, 3], [1, 0, 3], [0, 0, 2]]
    """
    numbers, found = np.zeros(mask.shape, np.int32), 0
    for class_id in classes:
        parts, count = label(mask == class_id, TOUCHING)
        parts = without_specks(parts, least_area)
        numbers += np.where(parts > 0, parts + found, 0).astype(np.int32)
        found += count
    return numbers


def without_specks(parts: np.ndarray, least_area: float) -> np.ndarray:
    """Parts (H, W) of one class, those of fewer pixels given to the nearest of the others."""
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    large = areas >= least_area
    large[areas.argmax()] = True
    large[0] = False
    if large.sum() == np.count_nonzero(areas):
        return parts
    return np.where(parts > 0, nearest(np.where(large[parts], parts, 0)), 0)


def nearest(numbers: np.ndarray) -> np.ndarray:
    """Numbers (H, W) with every 0 replaced by the nearest of the others."""
    if not numbers.any():
        return numbers
    places = distance_transform_edt(numbers == 0, return_distances=False, return_indices=True)
    return numbers[tuple(places)]
