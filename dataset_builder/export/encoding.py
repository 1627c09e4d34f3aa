"""Files of pictures and masks as the formats want them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dataset_builder.export.safety import opened
from diffusers_attnmask.ground.palette import Colour

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}
JPEG_QUALITY = 95


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
    stream = io.BytesIO()
    options = {"quality": JPEG_QUALITY, "subsampling": 0} if kind == "JPEG" else {}
    picture.convert("RGB").save(stream, kind, **options)
    return stream.getvalue()


def write_mask(ids: np.ndarray, path: Path, palette: Sequence[Colour] | None = None) -> None:
    """Ids (H, W) as a grey PNG, or one with the palette."""
    picture = Image.fromarray(ids)
    if palette is not None:
        picture.putpalette([value for colour in palette for value in colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "PNG")


def write_bytes(content: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
