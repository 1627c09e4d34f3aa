"""Maps from 0 to 1 in colours, with the bar that says what the colours mean.

The scale runs in a straight line through Oklab, from a dark blue to a light yellow: equal steps of a map look
equal, more is always lighter, and colour-blind eyes see the same.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from PIL import Image, ImageDraw

from diffusers_attnmask.ground.legend import font_for
from diffusers_attnmask.ground.oklab import from_oklab, oklab

STEPS = 256
DARK, LIGHT = oklab(np.array([(16, 0, 92), (255, 238, 128)]))
SCALE = from_oklab(DARK + np.linspace(0, 1, STEPS)[:, None] * (LIGHT - DARK))  # (256, 3)
BAR, GAP = 12, 4  # pixels: the bar's least width, and what is free around it
TICKS = ("1", "0.5", "0")  # from the top


def heat_picture(heatmap: np.ndarray) -> Image.Image:
    """A map (H, W) in [0, 1] in colours; what is no number is 0."""
    position = np.nan_to_num(np.clip(heatmap, 0, 1)) * (STEPS - 1)
    return Image.fromarray(SCALE[position.round().astype(np.uint8)])


def heat_bar(height: int) -> Image.Image:
    """The scale from 0 at the bottom to 1 at the top."""
    font = font_for(height)
    gap, bar = max(GAP, height // 128), max(BAR, height // 32)
    left = gap + bar + gap
    width = left + max(ceil(font.getlength(tick)) for tick in TICKS) + gap
    picture = Image.new("RGB", (width, height), "white")
    picture.paste(heat_picture(np.repeat(np.linspace(1, 0, height)[:, None], bar, axis=1)), (gap, 0))
    draw = ImageDraw.Draw(picture)
    for place, tick in enumerate(TICKS):
        free = height - int(font.getbbox(tick)[3]) - 1
        draw.text((left, max(0, free * place // (len(TICKS) - 1))), tick, fill="black", font=font)
    return picture
