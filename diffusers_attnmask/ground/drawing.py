"""Pictures of masks and class maps, with PIL alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.palette import VOC_PALETTE, Colour

MARGIN = 4
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
# Dark blue, blue, green, yellow, red: a map from 0 to 1.
HEAT = np.array([(0, 0, 96), (0, 96, 224), (32, 192, 96), (240, 224, 32), (224, 32, 16)], np.float32)


def mask_picture(ids: np.ndarray, palette: Sequence[Colour] = VOC_PALETTE) -> Image.Image:
    """Ids (H, W) uint8 as a palette picture."""
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(
        [value for colour in palette for value in colour]
    )  # turns it into mode P and keeps the ids
    return picture


def overlay(
    image: Image.Image, ids: np.ndarray, names: Sequence[str], alpha: float = 0.5, legend: bool = True
) -> Image.Image:
    """The image with its mask (H, W) in colours over it, and a legend of the classes beneath.

    names[i] is the name of id i; the background stays as it is.
    """
    base = image.convert("RGB")
    mask = Image.fromarray(ids.astype(np.uint8)).resize(base.size, Image.Resampling.NEAREST)
    ids = np.asarray(mask)
    pixels = np.asarray(base, np.float32)
    colours = np.array(VOC_PALETTE, np.float32)[ids]
    blended = np.where((ids > 0)[..., None], (1 - alpha) * pixels + alpha * colours, pixels)
    picture = Image.fromarray(blended.round().astype(np.uint8))
    if not legend:
        return picture
    entries = [(name, VOC_PALETTE[index]) for index, name in enumerate(names) if index > 0]
    if (ids == IGNORE_ID).any():
        entries.append(("uncertain", VOC_PALETTE[IGNORE_ID]))
    return stacked(picture, legend_strip(entries, picture.width))


def heatmap_picture(heatmap: np.ndarray, image: Image.Image | None = None, alpha: float = 0.6) -> Image.Image:
    """A class map (H, W) in [0, 1] in colours, over its image where one is given."""
    position = np.clip(heatmap, 0, 1) * (len(HEAT) - 1)
    lower = np.minimum(position.astype(int), len(HEAT) - 2)
    part = (position - lower)[..., None]
    colours = Image.fromarray((HEAT[lower] * (1 - part) + HEAT[lower + 1] * part).round().astype(np.uint8))
    if image is None:
        return colours
    return Image.blend(image.convert("RGB"), colours.resize(image.size, Image.Resampling.BILINEAR), alpha)


def contact_sheet(
    pictures: Sequence[Image.Image], columns: int | None = None, captions: Sequence[str] | None = None
) -> Image.Image:
    """Pictures in a grid on white, each over its caption."""
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    columns = columns or ceil(len(pictures) ** 0.5)
    rows = ceil(len(pictures) / columns)
    width, height = (max(sizes) for sizes in zip(*(picture.size for picture in pictures), strict=True))
    font = ImageFont.load_default()
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
    return sheet


def legend_strip(entries: Sequence[tuple[str, tuple[int, int, int]]], width: int) -> Image.Image:
    """Names beside squares of their colours, as many lines as the width needs."""
    font = ImageFont.load_default()
    side = font_height(font)
    placed, x, y = [], MARGIN, MARGIN
    for name, colour in entries:
        name = fitted(name, font, width - side - 3 * MARGIN)
        needed = side + MARGIN + int(font.getlength(name)) + 2 * MARGIN
        if x > MARGIN and x + needed > width:
            x, y = MARGIN, y + side + MARGIN
        placed.append((name, colour, x, y))
        x += needed
    strip = Image.new("RGB", (width, y + side + MARGIN), "white")
    draw = ImageDraw.Draw(strip)
    for name, colour, x, y in placed:
        draw.rectangle((x, y, x + side, y + side), fill=colour)
        draw.text((x + side + MARGIN, y), name, fill="black", font=font)
    return strip


def stacked(top: Image.Image, bottom: Image.Image) -> Image.Image:
    picture = Image.new("RGB", (top.width, top.height + bottom.height), "white")
    picture.paste(top, (0, 0))
    picture.paste(bottom, (0, top.height))
    return picture


def fitted(text: str, font: Font, width: int) -> str:
    """The text, cut so that it fits the width."""
    near = text[: 4 * width]  # more never fits, and to measure it takes seconds
    if near == text and font.getlength(text) <= width:
        return text
    lengths = range(1, len(near))
    most = bisect_right(lengths, width, key=lambda count: ceil(font.getlength(f"{near[:count]}…")))
    return f"{near[:most]}…"


def font_height(font: Font) -> int:
    _, top, _, bottom = font.getbbox("Ág")
    return int(bottom - top) + 2
