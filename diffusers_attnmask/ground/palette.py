"""The palette of PASCAL VOC: 256 colours, the last one for uncertain pixels."""

from __future__ import annotations

Colour = tuple[int, int, int]


def voc_colour(index: int) -> Colour:
    """The VOC colour of a class id: its bits, three at a time, become the high bits of R, G and B."""
    colour = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            colour[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return tuple(colour)


VOC_PALETTE: tuple[Colour, ...] = tuple(voc_colour(index) for index in range(256))


def flat_palette() -> list[int]:
    """The palette as `PIL.Image.putpalette` takes it."""
    return [value for colour in VOC_PALETTE for value in colour]
