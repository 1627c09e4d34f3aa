"""Smooth noise, and the six backgrounds made of it.

Textures are calm on purpose: what no caption predicts costs a model capacity and teaches it nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from tiny_world.scene import SIZE

Rng = np.random.Generator
Y, X = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32), indexing="ij")


@lru_cache(maxsize=32)
def _interpolation(cells: int) -> np.ndarray:
    """Smoothstep interpolation from ``cells + 1`` knots to the canvas, (SIZE, cells + 1)."""
    position = np.arange(SIZE, dtype=np.float32) / SIZE * cells
    knot = position.astype(int)
    t = position - knot
    t = t * t * (3 - 2 * t)
    matrix = np.zeros((SIZE, cells + 1), np.float32)
    matrix[np.arange(SIZE), knot] = 1 - t
    matrix[np.arange(SIZE), knot + 1] += t
    return matrix


def smooth_noise(rng: Rng, rows: int, columns: int | None = None) -> np.ndarray:
    """Value noise in [-1, 1] with about ``rows × columns`` bumps, float32 (SIZE, SIZE)."""
    columns = columns or rows
    knots = rng.uniform(-1, 1, (rows + 1, columns + 1)).astype(np.float32)
    return _interpolation(rows) @ knots @ _interpolation(columns).T


def _tint(colour: tuple[float, float, float], value: np.ndarray) -> np.ndarray:
    """A colour (0–255) times ``1 + value``, float32 (SIZE, SIZE, 3)."""
    return np.asarray(colour, np.float32) * (1 + value)[..., None]


def _grass(rng: Rng) -> np.ndarray:
    return _tint((104, 150, 70), 0.14 * smooth_noise(rng, 4) + 0.06 * smooth_noise(rng, 10, 32))


def _sand(rng: Rng) -> np.ndarray:
    ripples = np.sin((Y + 10 * smooth_noise(rng, 3)) * rng.uniform(0.25, 0.4))
    return _tint((214, 186, 136), 0.06 * smooth_noise(rng, 4) + 0.04 * ripples)


def _water(rng: Rng) -> np.ndarray:
    waves = np.sin((Y + 14 * smooth_noise(rng, 4, 3)) * rng.uniform(0.3, 0.5))
    return _tint((72, 132, 172), 0.10 * smooth_noise(rng, 3) + 0.06 * waves)


def _snow(rng: Rng) -> np.ndarray:
    return _tint((228, 234, 242), 0.05 * smooth_noise(rng, 3) + 0.03 * smooth_noise(rng, 8))


def _wood(rng: Rng) -> np.ndarray:
    width = rng.uniform(28, 40)
    plank = (Y + rng.uniform(0, width)) / width
    gaps = np.exp(-(((plank % 1) - 0.5) ** 2) / 0.001)
    shade = rng.uniform(-0.08, 0.08, 8).astype(np.float32)[(plank + 0.5).astype(int) % 8]
    return _tint((142, 98, 64), shade + 0.07 * smooth_noise(rng, 24, 3) - 0.3 * gaps)


def _stone(rng: Rng) -> np.ndarray:
    return _tint((136, 136, 140), 0.16 * smooth_noise(rng, 5) + 0.08 * smooth_noise(rng, 14))


BACKGROUNDS: dict[str, Callable[[Rng], np.ndarray]] = {
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "snow": _snow,
    "wood": _wood,
    "stone": _stone,
}
