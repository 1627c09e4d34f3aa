"""Pictures of masks and class maps, with PIL alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import maximum_filter, minimum_filter

from diffusers_attnmask.ground.heat import heat_bar, heat_picture
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.legend import MARGIN, entries_of, fitted, font_for, font_height, with_legend
from diffusers_attnmask.ground.options import Share, options
from diffusers_attnmask.ground.palette import SAFE_PALETTE, Colour, Palette, colours_of

SIDE_OF_A_LINE = 256  # pixels of the longer side for one of the outline


@options
class Look:
    """How masks lie over their pictures. opacity: of the fill; outlines are in full colour. palette: colours
    that all eyes can tell apart, or VOC's."""

    opacity: Share = 0.4
    palette: Literal["safe", "voc"] = "safe"

    @property
    def colours(self) -> Sequence[Colour]:
        return colours_of(self.palette)


def mask_picture(ids: np.ndarray, palette: Sequence[Colour] = SAFE_PALETTE) -> Image.Image:
    """Ids (H, W) uint8 as a palette picture."""
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(
        [value for colour in palette for value in colour]
    )  # turns it into mode P and keeps the ids
    return picture


def overlay(
    image: Image.Image,
    ids: np.ndarray,
    names: Sequence[str],
    opacity: float = Look.opacity,
    palette: Palette = "safe",
    legend: bool = True,
) -> Image.Image:
    """The image with its mask (H, W) over it, each class filled and outlined, and a legend beneath.

    names[i] is the name of id i; a background, which is id 0 by that name, stays as it is.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"an overlay's opacity is in [0, 1], not {opacity}")
    colours, base = colours_of(palette), image.convert("RGB")
    mask = Image.fromarray(ids.astype(np.uint8)).resize(base.size, Image.Resampling.NEAREST)
    ids = np.asarray(mask)
    pixels = np.asarray(base, np.float32)
    fill = np.array(colours, np.float32)[ids]
    alpha = np.where(outlines(ids), 1.0, opacity)
    if names and names[0] == BACKGROUND:
        alpha = np.where(ids > 0, alpha, 0)
    blended = pixels + alpha[..., None] * (fill - pixels)
    picture = Image.fromarray(blended.round().astype(np.uint8))
    return with_legend(picture, entries_of(names, set(ids.flat), colours)) if legend else picture


def outlines(ids: np.ndarray) -> np.ndarray:
    """Where another id is near: bool (H, W), on both sides of every border, as wide as suits the size."""
    width = max(1, round(max(ids.shape) / SIDE_OF_A_LINE))
    size = 2 * width + 1
    return maximum_filter(ids, size, mode="nearest") != minimum_filter(ids, size, mode="nearest")


def heatmap_picture(
    heatmap: np.ndarray, image: Image.Image | None = None, *, over: bool = False, opacity: float = 0.6
) -> Image.Image:
    """A class map (H, W) in [0, 1] in colours with its scale, beside its image where one is given, or over
    it."""
    colours = heat_picture(heatmap)
    if image is None:
        return beside(colours, heat_bar(colours.height))
    image = image.convert("RGB")
    colours = colours.resize(image.size, Image.Resampling.BILINEAR)
    shown = [Image.blend(image, colours, opacity)] if over else [image, colours]
    return beside(*shown, heat_bar(image.height))


def beside(*pictures: Image.Image) -> Image.Image:
    """Pictures in a row."""
    row = Image.new("RGB", (sum(own.width for own in pictures), max(own.height for own in pictures)), "white")
    left = 0
    for own in pictures:
        row.paste(own, (left, 0))
        left += own.width
    return row


def contact_sheet(
    pictures: Sequence[Image.Image],
    columns: int | None = None,
    captions: Sequence[str] | None = None,
    legend: Sequence[tuple[str, Colour]] = (),
) -> Image.Image:
    """Pictures in a grid on white, each over its caption, and one legend for all of them."""
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    columns = columns or ceil(len(pictures) ** 0.5)
    rows = ceil(len(pictures) / columns)
    width, height = (max(sizes) for sizes in zip(*(picture.size for picture in pictures), strict=True))
    font = font_for(2 * width)
    line = font_height(font) + MARGIN if captions else 0
    sheet = Image.new(
        "RGB", (columns * (width + MARGIN) + MARGIN, rows * (height + line + MARGIN) + MARGIN), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for index, picture in enumerate(pictures):
        x = MARGIN + index % columns * (width + MARGIN)
        y = MARGIN + index // columns * (height + line + MARGIN)
        sheet.paste(picture, (x, y))
        if captions:
            draw.text((x, y + height), fitted(captions[index], font, width), fill="black", font=font)
    return with_legend(sheet, legend)
