"""What colours mean: names beside squares, under a picture."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from math import ceil

from PIL import Image, ImageDraw, ImageFont

from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.palette import Colour

MARGIN = 4
FEW = 16  # classes that a legend lists although the picture shows none of them
LEAST_FONT, GREATEST_FONT = 10, 32
SIDE_OF_A_LETTER = 32  # pixels of a picture's side for one of its legend's letters
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def entries_of(
    names: Sequence[str], shown: Collection[int], colours: Sequence[Colour]
) -> list[tuple[str, Colour]]:
    """Names and colours for a legend: of few classes all, of many those that are shown. The first id is a
    class unless it is called the background."""
    first = int(bool(names) and names[0] == BACKGROUND)
    listed = [own for own in range(first, len(names)) if own in shown or len(names) <= FEW]
    entries = [(names[own], colours[own]) for own in listed]
    return [*entries, ("uncertain", colours[IGNORE_ID])] if IGNORE_ID in shown else entries


def with_legend(picture: Image.Image, entries: Sequence[tuple[str, Colour]]) -> Image.Image:
    """The picture over its legend."""
    font = font_for(min(picture.width, 2 * picture.height))  # of a row of pictures, about that of one
    return stacked(picture, legend_strip(entries, picture.width, font)) if entries else picture


def legend_strip(entries: Sequence[tuple[str, Colour]], width: int, font: Font) -> Image.Image:
    """Names beside squares of their colours, as many lines as the width needs."""
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
    picture = Image.new("RGB", (max(top.width, bottom.width), top.height + bottom.height), "white")
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


def font_for(side: int) -> Font:
    """A font that can be read on a picture of that side, however large it is shown."""
    return ImageFont.load_default(min(max(LEAST_FONT, side // SIDE_OF_A_LETTER), GREATEST_FONT))


def font_height(font: Font) -> int:
    _, top, _, bottom = font.getbbox("Ág")
    return int(bottom - top) + 2
