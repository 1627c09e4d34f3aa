"""Outputs as Jupyter shows them: their pictures with captions, in one HTML text that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from PIL import Image

from diffusers_attnmask.ground.pictures import encoded

MOST_ROWS = 4  # images of an output that are shown
LEAST_WIDTH = 192  # pixels on the screen; less is enlarged without blur


class Captioned(NamedTuple):
    caption: str
    picture: Image.Image


def html_rows(rows: Sequence[Sequence[Captioned]], count: int) -> str:
    """Rows of pictures, of the first of `count` images."""
    shown = "".join(f'<div style="display: flex; gap: 1em">{_figures(row)}</div>' for row in rows)
    more = f"<p>and {count - len(rows)} more</p>" if count > len(rows) else ""
    return f"<div>{shown}{more}</div>"


def picture_address(picture: Image.Image, kind: str = "png") -> str:
    """The picture itself as an address, so that a page needs no other file."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded(picture, kind)).decode()}"


def _figures(row: Sequence[Captioned]) -> str:
    return "".join(
        f'<figure style="margin: 0"><img src="{picture_address(own.picture)}" alt="{escape(own.caption)}" '
        f'style="min-width: {LEAST_WIDTH}px; image-rendering: pixelated">'
        f"<figcaption>{escape(own.caption)}</figcaption></figure>"
        for own in row
    )
