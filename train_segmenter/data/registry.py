"""One word for each data source: `VOC:path`, `Cityscapes:path@val`, `COCO:path`, `folder:path`, a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diffusers_attnmask.ground.mirror import fetched
from diffusers_attnmask.ground.remote import is_remote
from train_segmenter.data.base import Source
from train_segmenter.data.cityscapes import cityscapes
from train_segmenter.data.coco import coco
from train_segmenter.data.folder import folder
from train_segmenter.data.hub import hub
from train_segmenter.data.voc import voc

# From a path, a split and whether files may lie outside of the folder, to the source.
FORMATS: dict[str, Callable[..., Source]] = {
    "voc": lambda path, **options: voc(Path(path), **options),
    "cityscapes": lambda path, **options: cityscapes(Path(path), **options),
    "coco": lambda path, **options: coco(Path(path), **options),
    "folder": lambda path, **options: folder(Path(path), **options),
    "hub": hub,
}
# What is judged where a word names no split.
JUDGED_SPLIT = {"voc": "val", "cityscapes": "val", "coco": "val2017"}


def open_source(spec: str, split: str | None = None, *, outside: bool = False) -> Source:
    """Opens `FORMAT:path[@split]`; without a format, a dataset folder or a Hub name. A path may be remote.

    `split` is the one to take where the word names none; without either, the format's own default. outside:
    whether what rows, lists, JSON and links name may lie outside of the folder.
    """
    prefix, colon, rest = spec.partition(":")
    if not (rest if colon else spec).strip():
        raise ValueError(f"{spec!r} names no data: give a folder, a Hub name, or FORMAT:path as VOC:path")
    known = colon and prefix.lower() in FORMATS
    if colon and not (known or is_remote(spec) or Path(spec).exists()):
        raise ValueError(f"Unknown data format {prefix!r} in {spec!r}. Known: {', '.join(FORMATS)}.")
    reader, path = (FORMATS[prefix.lower()], rest) if known else (hub, spec)
    if not Path(path).exists() and "@" in Path(path).name:
        path, _, split = path.rpartition("@")
    path = fetched(path)
    if reader is hub and (Path(path) / "images").is_dir() and (Path(path) / "masks").is_dir():
        reader = FORMATS["folder"]
    return reader(path, outside=outside, **({"split": split} if split else {}))


def open_judged(spec: str, *, outside: bool = False) -> Source:
    """Opens a source for judging: where the word names no split, the one that its format keeps for that."""
    return open_source(spec, JUDGED_SPLIT.get(spec.partition(":")[0].lower()), outside=outside)
