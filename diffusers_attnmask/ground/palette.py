"""The palette of PASCAL VOC: 256 colours, the last one for uncertain pixels."""

from __future__ import annotations

from typing import Any

Colour = tuple[int, int, int]


def voc_colour(index: int) -> Colour:
    """The VOC colour of a class id: its bits, three at a time, become the high bits of R, G and B."""
    red, green, blue = (
        sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)
    )
    return red, green, blue


VOC_PALETTE: tuple[Colour, ...] = tuple(voc_colour(index) for index in range(256))


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
