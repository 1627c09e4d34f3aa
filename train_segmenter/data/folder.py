"""Plain folders: `images/` and `masks/` with equal stems, and the class names in a file beside them."""

from __future__ import annotations

from pathlib import Path

from train_segmenter.data.base import FilePairs, image_files, matching_masks
from train_segmenter.data.home import Home
from train_segmenter.data.names import class_names, read_names
from train_segmenter.data.split_parts import no_split


def folder(root: Path, split: str | None = None, *, outside: bool = False) -> FilePairs:
    """`root/images` and `root/masks`, or both below `root/SPLIT` where a split is named."""
    home = Home(root, outside)
    base = home.file(split) if split else root
    if split and not (base / "images").is_dir():
        raise no_split(root, split, sorted(own.parent.name for own in root.glob("*/images")))
    images = image_files(home.path(base / "images"))
    names = read_names(base) or class_names(root)
    return FilePairs(names, matching_masks(images, base / "masks", home))
