"""Pictures as files and as arrays: one encoder, and one reader, of images and of masks.

Whatever reads a picture, a command or Python, sees the same pixels of it: turned as its EXIF says, of 16 bits
the high eight, of an animation the first frame, and what is transparent on white.
"""

from __future__ import annotations

import io
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.atomic_files import write_bytes
from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.ids import IGNORE_ID

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")  # no decoder of these runs another program
TALKATIVE = "TIFF"  # the one whose decoder warns of what it reads, which others then wait for
MOST_PIXELS = 2**26  # 8192 × 8192; a file that claims more may be made to fill the memory
PAPER = "white"  # what shows through transparent pixels
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # Pillow's modes of 16-bit grey
DEEPEST = 2**16 - 1
ORIENTATION = 0x0112  # EXIF's tag; its values, and what undoes them
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LYING = (5, 6, 7, 8)  # orientations that exchange width and height
# What Pillow's decoders raise at damaged files of these formats.
BROKEN = (
    *(OSError, SyntaxError, ValueError, RuntimeError, EOFError, IndexError, KeyError, TypeError),
    *(OverflowError, struct.error, zlib.error),
)
ONE_AT_A_TIME = threading.Lock()  # filters of warnings belong to the whole process

logging.getLogger("PIL").addHandler(logging.NullHandler())  # it logs what it raises, too


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


def opened(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """The picture of an encoded file, not decoded yet; `name` is what errors call it."""
    if not content:
        raise DamagedFile(f"{name} is not a picture that can be read: it is empty")
    try:
        with _without_warnings():
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = picture.size
    except Image.DecompressionBombError as mistake:
        raise ValueError(f"{name} claims more than the {most_pixels:,} pixels that are read") from mistake
    except Image.UnidentifiedImageError as mistake:
        *others, last = FORMATS
        known = f"{', '.join(others)} or {last}"
        raise DamagedFile(f"{name} is not a picture that can be read: no {known}") from mistake
    except BROKEN as mistake:
        raise DamagedFile(f"{name} is not a picture that can be read: {mistake}") from mistake
    if width * height > most_pixels:
        raise ValueError(f"{name} claims {width}×{height} pixels; more than {most_pixels:,} are not read")
    return picture


def opened_file(file: Path) -> Image.Image:
    """The picture of a file, not decoded yet."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no picture {file}") from None
    except IsADirectoryError:
        raise ValueError(f"{file} is a folder, and no picture") from None
    return opened(content, str(file))


def read_image(file: Path) -> np.ndarray:
    """RGB image uint8 (H, W, 3)."""
    return rgb_pixels(opened_file(file), str(file))


def rgb_pixels(picture: Image.Image, name: str = "the picture") -> np.ndarray:
    """RGB image uint8 (H, W, 3) of a picture of any mode that has colours or greys."""
    picture = _upright(_decoded(picture, name))
    if picture.mode in DEEP:
        return np.repeat(_high_bits(np.asarray(picture), name)[..., None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError(f"{name} holds fractions, which have no brightness of their own: save 8 or 16 bits")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, PAPER), picture)
    return np.asarray(picture.convert("RGB"))


def read_mask(file: Path) -> np.ndarray:
    """Class ids uint8 (H, W) of a grey or palette file."""
    return mask_ids(opened_file(file), str(file))


def mask_ids(picture: Image.Image, name: str) -> np.ndarray:
    """Class ids uint8 (H, W) of an opened mask."""
    if picture.format == "JPEG":
        raise ValueError(f"{name} is a JPEG, whose pixels are not the ids that were saved: save masks as PNG")
    picture = _upright(_decoded(picture, name))
    ids = np.asarray(picture)
    if ids.ndim != 2:
        raise ValueError(
            f"{name} is a colour picture (mode {picture.mode}). Masks hold class ids: save them as "
            "grey (L) or palette (P) PNG."
        )
    if ids.dtype.kind == "f":
        raise ValueError(f"{name} holds fractions, and no class ids: save those as grey (L) PNG.")
    if ids.dtype != np.uint8:
        if ids.size and not 0 <= ids.min() <= ids.max() <= IGNORE_ID:
            wrong = ids.max() if ids.max() > IGNORE_ID else ids.min()
            raise ValueError(f"{name} holds the id {wrong}; ids go from 0 to {IGNORE_ID}.")
        ids = ids.astype(np.uint8)
    return ids


def object_ids(picture: Image.Image, name: str) -> np.ndarray:
    """Numbers of objects uint16 (H, W) of an opened grey picture."""
    ids = np.asarray(_upright(_decoded(picture, name)))
    if ids.ndim != 2 or ids.dtype.kind == "f" or (ids.size and not 0 <= ids.min() <= ids.max() <= DEEPEST):
        raise ValueError(f"{name} holds no numbers from 0 to {DEEPEST}: save them as grey PNG of 16 bits")
    return ids.astype(np.uint16)


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height of an opened picture as it is to be seen, without decoding it."""
    width, height = picture.size
    return (height, width) if orientation(picture) in LYING else (width, height)


def orientation(picture: Image.Image) -> int:
    """EXIF's word for how the stored picture lies, 1 where it stands upright or says nothing readable."""
    try:
        with _without_warnings():
            return int(picture.getexif().get(ORIENTATION, 1))
    except BROKEN:
        return 1


@contextmanager
def _without_warnings() -> Iterator[None]:
    """What Pillow warns of is refused, or does no harm to the pixels."""
    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _upright(picture: Image.Image) -> Image.Image:
    turn = TURNS.get(orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _high_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Greys uint8 (H, W) of 16-bit ones."""
    values = values.astype(np.int64)
    if values.size and not 0 <= values.min() <= values.max() <= DEEPEST:
        raise ValueError(f"{name} holds values from {values.min()} to {values.max()}: save 8 or 16 bits")
    return ((values * 255 + DEEPEST // 2) // DEEPEST).astype(np.uint8)


def _decoded(picture: Image.Image, name: str) -> Image.Image:
    try:
        with _without_warnings() if picture.format == TALKATIVE else nullcontext():
            picture.load()
    except BROKEN as mistake:
        raise DamagedFile(f"{name} is cut off or damaged: {mistake}") from mistake
    return picture
