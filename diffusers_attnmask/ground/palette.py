"""The colours of class ids, 256 of them: one palette that all eyes can tell apart, and that of PASCAL VOC.

The first colour is the background's, the last one that of uncertain pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy.spatial.distance import cdist

from diffusers_attnmask.ground.oklab import EYES, oklab

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
UNCERTAIN: Colour = (208, 208, 208)
# Okabe and Ito, "Color universal design" (2002), but for its black: the first seven classes.
OKABE_ITO: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
)
LEVELS = np.linspace(0, 255, 10)  # of red, green and blue among which further colours are chosen
LEAST_CHROMA, LIGHTNESS = 0.07, (0.35, 0.95)  # in Oklab: no greys, nothing as dark or light as paper


def voc_colour(index: int) -> Colour:
    """The VOC colour of a class id: its bits, three at a time, become the high bits of R, G and B."""
    red, green, blue = (
        sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)
    )
    return red, green, blue


def safe_colours() -> tuple[Colour, ...]:
    """Okabe and Ito's colours, then always the one that is farthest, for the eye that tells them apart
    least, from all that are taken."""
    first = np.array((BLACK, UNCERTAIN, *OKABE_ITO))
    grid = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS, indexing="ij"), -1).reshape(-1, 3).round()
    lightness, *hue = oklab(grid).T
    vivid = (np.hypot(*hue) >= LEAST_CHROMA) & (lightness >= LIGHTNESS[0]) & (lightness <= LIGHTNESS[1])
    colours = np.concatenate([first, grid[vivid]])
    seen = [oklab(colours, eye) for eye in EYES]
    apart = np.min([cdist(own, own) for own in seen], axis=0)  # (N, N)
    taken = list(range(len(first)))
    nearest = apart[taken].min(axis=0)  # that is taken
    while len(taken) < 256:
        taken.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, apart[taken[-1]])
    chosen = [(int(red), int(green), int(blue)) for red, green, blue in colours[taken]]
    return (BLACK, *chosen[2:], UNCERTAIN)


SAFE_PALETTE: tuple[Colour, ...] = safe_colours()
VOC_PALETTE: tuple[Colour, ...] = tuple(voc_colour(index) for index in range(256))
PALETTES = {"safe": SAFE_PALETTE, "voc": VOC_PALETTE}
Palette = Literal["safe", "voc"] | Sequence[Colour]


def colours_of(palette: Palette) -> Sequence[Colour]:
    """The colours of a palette by its name, or those that were given."""
    if not isinstance(palette, str):
        return palette
    if palette not in PALETTES:
        raise ValueError(f"palette {palette!r}: there are {', '.join(PALETTES)}, or a colour for each id")
    return PALETTES[palette]


def colour_of(value: Any) -> Colour:
    """A colour as YAML gives it, `"#dc143c"` or `[220, 20, 60]`.

    >>> colour_of("#dc143c")
    (220, 20, 60)
    """
    try:
        parts = bytes.fromhex(value.removeprefix("#")) if isinstance(value, str) else bytes(value)
        red, green, blue = parts
    except (ValueError, TypeError) as mistake:
        raise ValueError(f"colour {value!r} must be '#rrggbb' or three numbers from 0 to 255") from mistake
    return red, green, blue
