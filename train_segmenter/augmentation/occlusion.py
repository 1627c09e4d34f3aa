"""Patches in front of the scene: rectangles and ellipses of one colour with grain."""

from __future__ import annotations

import numpy as np

from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID
from train_segmenter.augmentation.transforms import AugmentedPair

GRAIN = 24  # standard deviation of a patch's pixels about its colour


def occlude(
    image: np.ndarray, mask: np.ndarray, patches: np.ndarray, occluded: str, rng: np.random.Generator
) -> AugmentedPair:
    """The pair with patches (H, W) bool painted over; `occluded` says what its mask is beneath them.

    255 stays 255 whatever is painted over it.
    """
    pixels = rng.uniform(0, 255, 3) + GRAIN * rng.standard_normal(image.shape)
    image = np.where(patches[..., None], np.clip(pixels, 0, 255).astype(np.uint8), image)
    if occluded == "keep":
        return image, mask
    beneath = BACKGROUND_ID if occluded == "background" else IGNORE_ID
    return image, np.where(patches & (mask != IGNORE_ID), np.uint8(beneath), mask)


def drawn_patches(
    size: tuple[int, int], pieces: int, share: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Bool (H, W): one to `pieces` patches, each with a share of the image from the range."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    patches = np.zeros(size, bool)
    for _ in range(rng.integers(1, pieces + 1)):
        round_one, aspect = rng.random() < 0.5, np.exp(rng.uniform(-0.7, 0.7))
        area = rng.uniform(*share) * height * width * (4 / np.pi if round_one else 1)  # of the bounding box
        half_height, half_width = np.sqrt(area * aspect) / 2, np.sqrt(area / aspect) / 2
        across = np.abs(x - rng.uniform(0, width)) / half_width
        down = np.abs(y - rng.uniform(0, height)) / half_height
        patches |= np.hypot(across, down) <= 1 if round_one else np.maximum(across, down) <= 1
    return patches
