"""Silhouettes of the eight classes as signed distance functions.

Every shape lives in the square [-1, 1]² (x to the right, y down). A shape function takes the two coordinate
arrays and returns its parts, back to front: ``(distance, tone)`` with the signed distance (negative inside)
and the tone of the part: 0 keeps the object's colour, +1 is white, -1 is black. Parts share one hue on
purpose, so that no colour gives a class away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Field = np.ndarray  # float32 (H, W)
Parts = list[tuple[Field, float]]


def _circle(x: Field, y: Field, cx: float, cy: float, radius: float) -> Field:
    return np.hypot(x - cx, y - cy) - radius


def _box(x: Field, y: Field, cx: float, cy: float, half_width: float, half_height: float) -> Field:
    dx, dy = np.abs(x - cx) - half_width, np.abs(y - cy) - half_height
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0)


def _ellipse(x: Field, y: Field, cx: float, cy: float, a: float, b: float) -> Field:
    """First-order distance: exact sign, and exact size near the outline."""
    u, v = (x - cx) / a, (y - cy) / b
    level = np.hypot(u, v)
    return level * (level - 1) / np.maximum(np.hypot(u / a, v / b), 1e-6)


def _convex(x: Field, y: Field, *corners: tuple[float, float]) -> Field:
    """A convex polygon, corners clockwise on the screen."""
    sides = []
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = np.hypot(x1 - x0, y1 - y0)
        sides.append(((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length)
    return np.maximum.reduce(sides)


def star(x: Field, y: Field) -> Parts:
    sector = np.float32(2 * np.pi / 5)
    radius = np.hypot(x, y)
    angle = np.abs((np.arctan2(x, -y) + sector / 2) % sector - sector / 2)  # folded onto half a point
    px, py = radius * np.cos(angle), radius * np.sin(angle)
    inner = 0.46
    bx, by = inner * np.cos(sector / 2), inner * np.sin(sector / 2)
    length = np.hypot(1 - bx, by)
    outline = ((px - 1) * by + py * (1 - bx)) / length - 0.03
    return [(outline, 0.0), (outline + 0.2, 0.22)]


def heart(x: Field, y: Field) -> Parts:
    side, top = np.abs(x), -y + 0.1
    lobe = _circle(side, top, 0.45, 0.32, 0.5)
    # The straight flank touches the lobe and runs down to the tip (0, -0.95).
    flank = _convex(x, y, (0.0, -0.55), (0.83, 0.1), (0.0, 1.05), (-0.83, 0.1))
    return [(np.minimum(lobe, flank), 0.0)]


def moon(x: Field, y: Field) -> Parts:
    crescent = np.maximum(_circle(x, y, 0, 0, 0.95), -_circle(x, y, 0.42, -0.1, 0.72))
    craters = np.minimum(_circle(x, y, -0.6, 0.1, 0.13), _circle(x, y, -0.25, 0.66, 0.11))
    return [(crescent, 0.0), (craters, -0.2)]


def donut(x: Field, y: Field) -> Parts:
    radius = np.hypot(x, y)
    dough = np.abs(radius - 0.64) - 0.31
    icing = np.abs(radius - 0.64) - 0.2 - 0.04 * np.cos(7 * np.arctan2(y, x))
    return [(dough, -0.3), (icing, 0.15)]


def fish(x: Field, y: Field) -> Parts:
    body = _ellipse(x, y, 0.2, 0.0, 0.74, 0.47)
    # The tail is notched: two triangles, not one convex polygon.
    upper = _convex(x, y, (-0.95, -0.58), (-0.3, 0.0), (-0.72, 0.05))
    lower = _convex(x, y, (-0.72, -0.05), (-0.3, 0.0), (-0.95, 0.58))
    tail = np.minimum(upper, lower)
    fin = _convex(x, y, (-0.1, -0.4), (0.05, -0.75), (0.45, -0.4))
    eye, pupil = _circle(x, y, 0.6, -0.12, 0.12), _circle(x, y, 0.62, -0.12, 0.06)
    belly_fin = _ellipse(x, y, 0.12, 0.12, 0.2, 0.11)
    return [(np.minimum(tail, fin), -0.25), (body, 0.0), (belly_fin, -0.2), (eye, 0.75), (pupil, -0.85)]


def mushroom(x: Field, y: Field) -> Parts:
    stem = _box(x, y, 0.0, 0.45, 0.22, 0.42) - 0.06
    cap = np.maximum(_ellipse(x, y, 0.0, 0.1, 0.93, 0.95), y - 0.12)
    spots = np.minimum.reduce(
        [_circle(x, y, -0.45, -0.2, 0.15), _circle(x, y, 0.08, -0.45, 0.17), _circle(x, y, 0.5, -0.12, 0.12)]
    )
    return [(stem, 0.55), (cap, 0.0), (spots, 0.65)]


def house(x: Field, y: Field) -> Parts:
    walls = _box(x, y, 0.0, 0.42, 0.66, 0.5)
    roof = _convex(x, y, (0.0, -0.92), (0.95, 0.0), (-0.95, 0.0))
    chimney = _box(x, y, 0.5, -0.55, 0.12, 0.28)
    door = _box(x, y, -0.25, 0.6, 0.16, 0.32)
    window = _box(x, y, 0.3, 0.4, 0.18, 0.16)
    return [(chimney, -0.4), (walls, 0.35), (roof, -0.1), (door, -0.45), (window, 0.8)]


def tree(x: Field, y: Field) -> Parts:
    trunk = _box(x, y, 0.0, 0.78, 0.14, 0.2)
    bottom = _convex(x, y, (0.0, -0.3), (0.8, 0.64), (-0.8, 0.64))
    middle = _convex(x, y, (0.0, -0.66), (0.63, 0.2), (-0.63, 0.2))
    top = _convex(x, y, (0.0, -0.98), (0.45, -0.25), (-0.45, -0.25))
    return [(trunk, -0.5), (bottom, -0.15), (middle, 0.0), (top, 0.15)]


# Class name -> (parts, largest tilt in radians; None = any rotation). The order fixes the ids 1 to 8.
SHAPES: dict[str, tuple[Callable[[Field, Field], Parts], float | None]] = {
    "star": (star, 0.35),
    "heart": (heart, 0.45),
    "moon": (moon, 0.6),
    "donut": (donut, None),
    "fish": (fish, 0.6),
    "mushroom": (mushroom, 0.4),
    "house": (house, 0.25),
    "tree": (tree, 0.25),
}


def silhouette(parts: Parts) -> Field:
    """The union of the parts' distances."""
    return np.minimum.reduce([distance for distance, _ in parts])
