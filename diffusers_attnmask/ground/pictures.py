"""Pictures as files and as arrays: one encoder, one reader of images, one of masks."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.atomic_files import write_bytes
from diffusers_attnmask.ground.ids import IGNORE_ID


def encoded(picture: Image.Image | np.ndarray, kind: str = "png", **options: Any) -> bytes:
    """The file of a picture, or of pixels uint8 (H, W) or (H, W, 3).

    kind: "png", "jpeg" or "webp", as Pillow calls them; options: as it takes them for that kind (`quality`).

    >>> opened(encoded(np.zeros((4, 6), np.uint8)), "a mask").size
    (6, 4)
    """
    stream = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(stream, kind, **options)
    return stream.getvalue()


def write_picture(picture: Image.Image | np.ndarray, file: Path) -> None:
    """Write a PNG in one piece."""
    write_bytes(file, encoded(picture))


def opened(content: bytes, name: str, most_pixels: int | None = None) -> Image.Image:
    """The picture of an encoded file, not decoded yet; `name` is what errors call it.

    One that claims more pixels than `most_pixels` is refused, since it may be made to fill the memory.
    """
    try:
        with warnings.catch_warnings():
            if most_pixels is not None:  # lower than Pillow's own limit
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content))
    except (Image.DecompressionBombError, OSError) as mistake:
        raise ValueError(f"{name} is not a picture that can be read: {mistake}") from mistake
    width, height = picture.size
    if most_pixels is not None and width * height > most_pixels:
        raise ValueError(f"{name} claims {width}×{height} pixels; more than {most_pixels:,} are not read")
    return picture


def read_image(file: Path) -> np.ndarray:
    """RGB image uint8 (H, W, 3)."""
    return rgb_pixels(opened(file.read_bytes(), str(file)), str(file))


def rgb_pixels(picture: Image.Image, name: str = "the picture") -> np.ndarray:
    """RGB image uint8 (H, W, 3) of an opened picture."""
    return np.asarray(_decoded(picture, name).convert("RGB"))


def read_mask(file: Path) -> np.ndarray:
    """Class ids uint8 (H, W) of a grey or palette file."""
    return mask_ids(opened(file.read_bytes(), str(file)), str(file))


def mask_ids(picture: Image.Image, name: str) -> np.ndarray:
    """Class ids uint8 (H, W) of an opened mask."""
    ids = np.asarray(_decoded(picture, name))
    if ids.ndim != 2:
        raise ValueError(
            f"The mask {name} is a colour picture (mode {picture.mode}). Masks hold class ids: save them as "
            "grey (L) or palette (P) PNG."
        )
    if ids.dtype != np.uint8:
        if ids.size and (ids.min() < 0 or ids.max() > IGNORE_ID):
            raise ValueError(f"The mask {name} holds the id {ids.max()}; ids go from 0 to {IGNORE_ID}.")
        ids = ids.astype(np.uint8)
    return ids


def _decoded(picture: Image.Image, name: str) -> Image.Image:
    try:
        picture.load()
    except OSError as mistake:
        raise ValueError(f"{name} is cut off: {mistake}") from mistake
    return picture
