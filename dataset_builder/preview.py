"""Small pictures of pairs for viewers, which show masks of class ids as black."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.columns import picture_cell
from diffusers_attnmask.ground.drawing import overlay
from diffusers_attnmask.ground.palette import SAFE_PALETTE, VOC_PALETTE, Colour
from diffusers_attnmask.ground.pictures import encoded

LONGEST = 256  # pixels of the image's longer side
QUALITY = 80  # of WebP


def preview_cell(
    pixels: np.ndarray, ids: np.ndarray, class_names: Sequence[str], palette: Sequence[Colour] = SAFE_PALETTE
) -> dict[str, Any]:
    """The cell of an image uint8 (H, W, 3) under its mask (H, W) of class ids, with a legend."""
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return picture_cell(encoded(overlay(image, ids, class_names, palette=palette), "webp", quality=QUALITY))


def shown_palette(own: Sequence[Colour]) -> Sequence[Colour]:
    """The colours that a vocabulary names, where it names any, else those that all eyes tell apart."""
    return SAFE_PALETTE if tuple(own) == VOC_PALETTE else own
