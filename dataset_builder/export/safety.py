"""What foreign data must not do: name files outside of its folder, or unpack to more than memory holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from PIL import Image

from diffusers_attnmask.ground import pictures

MAX_PIXELS = 2**26  # 8192 x 8192
NAME = re.compile(r"\w[\w. -]{0,199}")


def safe_names(names: Iterable[str]) -> None:
    """Raise unless every name can be a file's stem, and no two are the same on any file system."""
    seen: dict[str, str] = {}
    for name in names:
        if not NAME.fullmatch(name) or name.endswith((".", " ")) or ".." in name:
            raise ValueError(
                f"the id {name!r} cannot name a file: use letters, digits, '-', '_' and '.' alone"
            )
        if name.casefold() in seen:
            raise ValueError(f"the ids {seen[name.casefold()]!r} and {name!r} would name the same file")
        seen[name.casefold()] = name


def inside(root: Path, name: str) -> Path:
    """The file of a relative name below the root; one that leads elsewhere is refused."""
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or "\0" in name:
        raise ValueError(f"the file name {name!r} leads out of {root}")
    return root / name


def opened(content: bytes, name: str) -> Image.Image:
    """The picture of an encoded file, not decoded yet; one that claims too many pixels is refused."""
    return pictures.opened(content, name, MAX_PIXELS)


def opened_mask(content: bytes, name: str) -> np.ndarray:
    """Class ids uint8 (H, W) of an encoded mask."""
    return pictures.mask_ids(opened(content, name), name)


def check_sizes(image: Image.Image, mask: np.ndarray, name: str) -> None:
    if image.size != mask.shape[::-1]:
        (width, height), (rows, columns) = image.size, mask.shape
        raise ValueError(f"the image of {name} is {width}×{height}, its mask {columns}×{rows}")
