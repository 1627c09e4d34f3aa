"""What stands where: a scene is drawn from one seed, before a single pixel is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tiny_world.shapes import SHAPES

SIZE = 128  # pixels, both sides
CLASSES = tuple(SHAPES)  # ids 1 to 8; 0 is the background

COLOURS = {
    "red": (208, 48, 44),
    "orange": (240, 138, 36),
    "yellow": (246, 212, 60),
    "green": (52, 160, 72),
    "blue": (48, 92, 204),
    "purple": (134, 70, 178),
    "pink": (244, 140, 178),
    "white": (236, 236, 232),
}
# A colour that would vanish into a background is not drawn there; the rule knows nothing of classes.
CAMOUFLAGE = {
    "grass": {"green"},
    "sand": {"yellow", "orange"},
    "water": {"blue"},
    "snow": {"white"},
    "wood": {"orange"},
    "stone": set(),
}
FINISHES = ("smooth", "mottled", "striped")

# Area of an object's bounding square as a share of the frame, by the number of objects.
SHARE = {1: (0.25, 0.60), 2: (0.17, 0.32), 3: (0.15, 0.20)}


@dataclass(frozen=True)
class Item:
    """One object: class name, colour name, centre and radius in pixels, rotation in radians."""

    name: str
    colour: str
    finish: str
    cx: float
    cy: float
    radius: float
    angle: float
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """Objects back to front on a background, with the direction that light comes from (unit vector)."""

    background: str
    items: tuple[Item, ...]
    light: tuple[float, float]


def draw_scene(rng: np.random.Generator, twins: bool = False) -> Scene:
    """One to three objects of different classes; with `twins` at least two, the first two of one class.

    Twins are of one colour every other time.
    """
    background = str(rng.choice(list(CAMOUFLAGE)))
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.4, 0.15]))
    count = max(count, 2) if twins else count
    names = rng.choice(CLASSES, count, replace=False)
    colours = rng.permutation([c for c in COLOURS if c not in CAMOUFLAGE[background]])[:count]
    if twins:
        names[1] = names[0]
        colours[1] = colours[int(rng.random() < 0.5)]
    places = _places(rng, count)
    items = tuple(
        Item(
            name=str(name),
            colour=str(colour),
            finish=str(rng.choice(FINISHES, p=[0.5, 0.25, 0.25])),
            cx=cx,
            cy=cy,
            radius=radius,
            angle=_tilt(rng, str(name)),
            mirrored=bool(rng.random() < 0.5),
        )
        for name, colour, (cx, cy, radius) in zip(names, colours, places, strict=True)
    )
    direction = rng.uniform(-0.75 * np.pi, -0.25 * np.pi)  # from above, left to right
    return Scene(background, items, (float(np.cos(direction)), float(np.sin(direction))))


def _tilt(rng: np.random.Generator, name: str) -> float:
    limit = SHAPES[name][1] or np.pi
    return float(rng.uniform(-limit, limit))


def _places(rng: np.random.Generator, count: int) -> list[tuple[float, float, float]]:
    """Centres and radii: objects may overlap and touch the frame, but none hides another."""
    low, high = SHARE[count]
    closeness = 0.8  # of the sum of two radii; eased until the objects fit
    while True:
        radii = SIZE / 2 * np.sqrt(rng.uniform(low, high, count))
        margin = 0.92 * radii
        centres = rng.uniform(margin[:, None], SIZE - margin[:, None], (count, 2))
        gaps = [
            np.hypot(*(centres[i] - centres[j])) / (radii[i] + radii[j])
            for i in range(count)
            for j in range(i)
        ]
        if min(gaps, default=1.0) >= closeness:
            return [(float(cx), float(cy), float(r)) for (cx, cy), r in zip(centres, radii, strict=True)]
        closeness = max(0.62, closeness - 0.01)
