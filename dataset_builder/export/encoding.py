"""Files of pictures and masks as the formats want them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataset_builder.export.pair_set import QUALITY
from diffusers_attnmask.ground.drawing import mask_picture
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.pictures import encoded, opened, rgb_pixels

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}


def picture_suffix(content: bytes, name: str) -> str:
    """The usual suffix of an encoded picture's kind."""
    kind = opened(content, name).format
    if kind not in SUFFIXES:
        raise ValueError(f"the image of {name} is {kind}; known are {', '.join(SUFFIXES)}")
    return SUFFIXES[kind]


def as_kind(content: bytes, kind: str, name: str) -> bytes:
    """The picture as PNG or JPEG: the same bytes where it is that already, else encoded anew."""
    picture = opened(content, name)
    if picture.format == kind:
        return content
    options = {"quality": QUALITY, "subsampling": 0} if kind == "JPEG" else {}
    return encoded(rgb_pixels(picture, name), kind, **options)


def mask_file(ids: np.ndarray, palette: Sequence[Colour] | None = None) -> bytes:
    """Ids (H, W) as a grey PNG, or one with the palette."""
    return encoded(ids if palette is None else mask_picture(ids, palette))
