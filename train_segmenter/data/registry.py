"""One word for each data source: `VOC:path`, `COCO:path@val2017[:10%]`, `folder:path`, a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from train_segmenter.data.base import Source
from train_segmenter.data.cityscapes import cityscapes
from train_segmenter.data.coco import coco
from train_segmenter.data.finished import data_folder
from train_segmenter.data.folder import folder
from train_segmenter.data.hub import hub
from train_segmenter.data.mixture import Joined
from train_segmenter.data.shards import UNNAMED
from train_segmenter.data.split_parts import ChosenPairs, Part, data_word, format_of
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

    A part of a split is written as for `load_dataset`, `@train[:10%]`, and several are joined by a plus.
    `split` is the one to take where the word names none; without either, the format's own default. outside:
    whether what rows, lists, JSON and links name may lie outside of the folder.
    """
    kind, rest = format_of(spec)
    if not rest.strip():
        raise ValueError(f"{spec!r} names no data: give a folder, a Hub name, or FORMAT:path as VOC:path")
    if kind and not (kind in FORMATS or Path(spec).exists()):
        prefix = spec.partition(":")[0]
        raise ValueError(f"Unknown data format {prefix!r} in {spec!r}. Known: {', '.join(FORMATS)}.")
    reader, path = (FORMATS[kind], rest) if kind in FORMATS else (hub, spec)
    path, parts = data_word(path)
    path = data_folder(path)
    if reader is hub and (Path(path) / "images").is_dir() and (Path(path) / "masks").is_dir():
        reader = FORMATS["folder"]
    if reader is hub:
        return hub(path, "+".join(map(str, parts)) or split or UNNAMED, outside=outside)
    chosen = [_chosen(reader, path, own, outside) for own in parts or (Part(split or ""),)]
    return chosen[0] if len(chosen) == 1 else Joined(tuple(chosen))


def _chosen(reader: Callable[..., Source], path: str, part: Part, outside: bool) -> Source:
    source = reader(path, outside=outside, **({"split": part.split} if part.split else {}))
    return ChosenPairs(source, part.numbers(len(source))) if part.piece else source


def open_judged(spec: str, *, outside: bool = False) -> Source:
    """Opens a source for judging: where the word names no split, the one that its format keeps for that."""
    return open_source(spec, JUDGED_SPLIT.get(format_of(spec)[0]), outside=outside)
