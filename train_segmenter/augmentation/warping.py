"""Perspective and turns: what lies at the corners of a pair afterwards."""

from __future__ import annotations

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.ids import IGNORE_ID
from train_segmenter.augmentation.transforms import AugmentedPair


def warp(image: np.ndarray, mask: np.ndarray, corners: np.ndarray) -> AugmentedPair:
    """The pair seen so that its corners show what lies at `corners` (4, 2).

    Corners are x, y in pixels: top left, top right, bottom right, bottom left. What lies outside of the image
    becomes black, and 255 in the mask. Pixels are bicubic: bilinear ones blur edges, and what learns from
    those misses sharp ones.
    """
    transform = homography(frame(mask.shape), corners)
    size, kind = mask.shape[::-1], Image.Transform.PERSPECTIVE
    pixels = Image.fromarray(image).transform(
        size, kind, transform, Image.Resampling.BICUBIC, fillcolor=(0, 0, 0)
    )
    ids = Image.fromarray(mask).transform(
        size, kind, transform, Image.Resampling.NEAREST, fillcolor=IGNORE_ID
    )
    return np.array(pixels), np.array(ids)


def homography(here: np.ndarray, there: np.ndarray) -> tuple[float, ...]:
    """The eight numbers a … h with x' = (ax + by + c) / (gx + hy + 1), y' = (dx + ey + f) / (gx + hy + 1).

    They take each of the four points `here` (4, 2) to that of `there` (4, 2).
    """
    rows, values = [], []
    for (x, y), (u, v) in zip(here, there, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(values)))


def frame(size: tuple[int, int]) -> np.ndarray:
    """The corners (4, 2) of an image of size (H, W)."""
    height, width = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], float)


def drawn_corners(size: tuple[int, int], distortion: float, rng: np.random.Generator) -> np.ndarray:
    """The corners (4, 2) of an image of size (H, W), each moved by up to `distortion` of half a side."""
    height, width = size
    return frame(size) + rng.uniform(-distortion, distortion, (4, 2)) * (width / 2, height / 2)


def turned(corners: np.ndarray, angle: float, zoom: float) -> np.ndarray:
    """Corners (4, 2) that turn what they show clockwise by `angle` (radians) and enlarge it by `zoom`."""
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    centre = corners.mean(0)
    return centre + (corners - centre) @ np.array([(cosine, -sine), (sine, cosine)])
