"""Plain folders: `images/` and `masks/` with equal stems, and the class names in a file beside them."""

from __future__ import annotations

import json
from pathlib import Path

from diffusers_attnmask.ground.ids import IGNORE_ID
from train_segmenter.data.base import FilePairs, image_files, matching_masks

NAME_FILES = ("id2label.json", "classes.txt")


def folder(root: Path, split: str | None = None) -> FilePairs:
    """`root/images` and `root/masks`, or both below `root/SPLIT` where a split is named."""
    base = root / split if split else root
    pairs = matching_masks(image_files(base / "images"), base / "masks")
    return FilePairs(
        class_names(base if any((base / name).is_file() for name in NAME_FILES) else root), pairs
    )


def class_names(root: Path) -> tuple[str, ...]:
    """Names by id from `id2label.json` ({"0": "background", ...}) or `classes.txt` (a line for each id)."""
    labels, lines = (root / name for name in NAME_FILES)
    if labels.is_file():
        return names_by_id(json.loads(labels.read_text(encoding="utf-8")), str(labels))
    if lines.is_file():
        return tuple(line.strip() for line in lines.read_text(encoding="utf-8").splitlines() if line.strip())
    raise FileNotFoundError(
        f"{root} has neither id2label.json nor classes.txt: write the class names to one, by id."
    )


def names_by_id(id2label: dict, origin: str) -> tuple[str, ...]:
    """The names in the order of their ids, which go from 0 without a gap (255, ignored, may be listed)."""
    names = {int(key): str(name) for key, name in id2label.items() if int(key) != IGNORE_ID}
    if sorted(names) != list(range(len(names))):
        raise ValueError(
            f"The ids of {origin} should go from 0 to {len(names) - 1}, but are {sorted(names)}."
        )
    return tuple(names[key] for key in sorted(names))
