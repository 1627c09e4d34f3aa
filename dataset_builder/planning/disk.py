"""How large a dataset will be, by the pixels of its pictures."""

from __future__ import annotations

from math import prod

from dataset_builder.recipe import Recipe

# Bytes for each pixel of photographs of 512 × 512 (scikit-image's astronaut, chelsea, coffee and rocket) as
# Pillow writes them at quality 95; a mask of few outlines, and a class map of 8 bits.
IMAGE = {"png": 1.4, "jpeg": 0.31, "webp": 0.24}
MASK, MAP = 0.02, 0.22


def bytes_per_pair(recipe: Recipe, size: tuple[int, int], maps: float) -> float:
    """Of a pair of this (height, width), with so many class maps on average."""
    return prod(size) * (IMAGE[recipe.image_format] + MASK + MAP * maps)
