"""Pictures that are almost the same: a hash of what stays of a picture in little and without its colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image
from scipy.fft import dctn

SIDE, WAVES = 32, 8  # of the grey picture, and of the lowest frequencies that are kept of it
HASH_BITS = WAVES * WAVES
ROWS = 1024  # that are compared with as many at once


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """Bits bool (64,) of an image uint8 (H, W, 3): which low frequencies are above their median.

    The DCT hash (Zauner 2010, section 3.2.1): grey, 32 x 32, the 8 x 8 lowest coefficients of a discrete
    cosine transform. The first one, which is the brightness, does not count for the median.
    """
    grey = Image.fromarray(image).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    waves = dctn(np.asarray(grey, np.float64), norm="ortho")[:WAVES, :WAVES].ravel()
    return waves > np.median(waves[1:])


def duplicates(hashes: Sequence[np.ndarray], most_bits: int) -> dict[int, int]:
    """Of the pictures that differ from an earlier one in so many bits at most, which is the earlier one.

    An earlier one that is such a picture itself does not count, so that chains of alike ones keep some.
    """
    found: dict[int, int] = {}
    for later, earlier in close_pairs(np.stack(hashes), most_bits):
        if later not in found and earlier not in found:
            found[later] = earlier
    return found


def close_pairs(bits: np.ndarray, most_bits: int) -> Iterator[tuple[int, int]]:
    """All pairs (later, earlier) of rows of bits (N, 64) within a distance, sorted."""
    for start in range(0, len(bits), ROWS):
        near: list[tuple[int, int]] = []
        for before in range(0, start + 1, ROWS):
            products = _signs(bits[start : start + ROWS]) @ _signs(bits[before : before + ROWS]).T
            found = np.argwhere((HASH_BITS - products) / 2 <= most_bits) + np.array([start, before])
            near += map(tuple, found[found[:, 1] < found[:, 0]].tolist())
        yield from sorted(near)


def _signs(bits: np.ndarray) -> np.ndarray:
    return np.where(bits, 1, -1).astype(np.float32)
