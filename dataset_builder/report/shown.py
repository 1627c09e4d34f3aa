"""A pair as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dataset_builder.dataset_folder import StoredPair, named_classes, quality_of
from dataset_builder.hub.dataset_summary import DatasetSummary
from diffusers_attnmask.ground.drawing import Look, outlines
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.notebook import picture_address
from diffusers_attnmask.ground.palette import Colour

THUMBNAIL = 224  # pixels, the longer side


@dataclass(frozen=True)
class Shown:
    """Pictures are data addresses."""

    id: str
    prompt: str
    classes: list[str]
    quality: float
    coverage: float
    image: str
    overlay: str


def shown(pair: StoredPair, facts: DatasetSummary) -> Shown:
    mask = pair.mask
    present = class_shares(mask)
    return Shown(
        pair.name,
        pair.row.get("prompt") or "",
        named_classes(pair.row, facts.features, pair.name),
        quality_of(pair.row, pair.name),
        sum(share for own, share in present.items() if own or not facts.background),
        picture_address(fitted(pair.image, Image.Resampling.LANCZOS), "webp"),
        picture_address(
            fitted(coloured(mask, facts.palette, facts.background), Image.Resampling.NEAREST), "png"
        ),
    )


def coloured(mask: np.ndarray, palette: Sequence[Colour], background: bool) -> Image.Image:
    """A mask (H, W) to lie over its image: outlines in full colour, the rest half transparent; the background
    shows the image."""
    alpha = np.where(outlines(mask), 255, round(255 * Look.opacity))
    if background:
        alpha[mask == 0] = 0
    pixels = np.dstack([np.array(palette, np.uint8)[mask], alpha.astype(np.uint8)])
    return Image.fromarray(pixels)


def fitted(picture: Image.Image, resampling: Image.Resampling) -> Image.Image:
    scale = THUMBNAIL / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), resampling)


def class_shares(mask: np.ndarray) -> dict[int, float]:
    """The share of the pixels of each id in a mask (H, W); ignored ones have none."""
    counts = np.bincount(mask.ravel(), minlength=256)
    return {own: counts[own] / mask.size for own in np.flatnonzero(counts).tolist() if own != IGNORE_ID}
