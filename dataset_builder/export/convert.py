"""From any format to any other: every format is a reader and a writer of named pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from tqdm import tqdm

from dataset_builder.export.cityscapes import read_cityscapes, write_cityscapes
from dataset_builder.export.coco import read_coco, write_coco
from dataset_builder.export.dataset import read_dataset, write_dataset
from dataset_builder.export.folder import read_folder, read_mmseg, write_folder, write_mmseg
from dataset_builder.export.pair_set import NamedPair, PairSet, part_validation
from dataset_builder.export.palettes import palette_of
from dataset_builder.export.safety import safe_names
from dataset_builder.export.voc import read_voc, write_voc
from diffusers_attnmask.ground.mirror import fetched
from diffusers_attnmask.ground.options import options
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.places import new_place, within
from diffusers_attnmask.ground.remote import is_remote
from train_segmenter.data.split_parts import DataWord, Part, data_word, format_of, parts_of

Reader = Callable[..., PairSet]  # of a folder, a split, and whether files may lie outside
Writer = Callable[[PairSet, Path, Sequence[Colour]], Path]
DATASET = "dataset"
FORMATS: dict[str, tuple[Reader, Writer]] = {
    "voc": (read_voc, write_voc),
    "cityscapes": (read_cityscapes, write_cityscapes),
    "coco": (read_coco, write_coco),
    "mmseg": (read_mmseg, write_mmseg),
    "folder": (read_folder, write_folder),
}


@options
class ExportOptions:
    """to: the format to write. vocabulary: whose colours to use. val_share: part of the training pairs to
    write as validation split. split: the one to read where the word names none, by default all.
    allow_outside: read files, too, that the data name outside of their folder."""

    to: Literal["voc", "cityscapes", "coco", "mmseg", "folder", "dataset"]
    vocabulary: str | None = None
    split: str | None = None
    val_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    allow_outside: bool = False


def read_any(spec: str, split: str | None = None, *, outside: bool = False) -> PairSet:
    """Pairs of `FORMAT:path`, or of a dataset folder or Hub name, each checked when it is read; where the
    word ends in `@train[:10%]`, of these parts."""
    reader, word = _reader(spec)
    parts = word.parts or parts_of(split or "")
    pairs = _parts(reader, word.path, parts, outside) if parts else reader(word.path, None, outside=outside)
    if not len(pairs):
        raise ValueError(f"{spec} holds no pair")
    classes = len(pairs.class_names)
    return replace(pairs, splits={name: own.checked(classes) for name, own in pairs.splits.items()})


def _reader(spec: str) -> tuple[Callable[..., PairSet], DataWord]:
    kind, rest = format_of(spec)
    if kind in FORMATS:
        word = data_word(rest)
        word = word._replace(path=fetched(word.path))
        if not Path(word.path).is_dir():
            raise FileNotFoundError(f"there is no folder {word.path!r}")
        reader = FORMATS[kind][0]
        return lambda path, split, **options: reader(Path(path), split, **options), word
    if kind and not (kind == DATASET or is_remote(spec) or Path(spec).exists()):
        raise ValueError(f"{spec!r} has an unknown format: use one of {', '.join((*FORMATS, DATASET))}")
    word = data_word(rest if kind == DATASET else spec)
    return read_dataset, word._replace(path=fetched(word.path))


def _parts(reader: Callable[..., PairSet], path: str, parts: Sequence[Part], outside: bool) -> PairSet:
    """The pairs of parts of splits, under the names of the splits."""
    read = {part.split: reader(path, part.split, outside=outside) for part in parts}
    names = {own.class_names for own in read.values()}
    if len(names) > 1:
        raise ValueError(f"the splits {', '.join(read)} of {path} name different classes: take one each")
    splits = {}
    for split, own in read.items():
        [(name, pairs)] = own.splits.items()
        numbers = [part.numbers(len(pairs)) for part in parts if part.split == split]
        splits[name] = pairs.chosen(list(chain.from_iterable(numbers)))
    return PairSet(names.pop(), splits)


def convert(spec: str, out: str | Path, options: ExportOptions) -> tuple[PairSet, str | Path]:
    """Write the pairs of `spec` as the folder `out`, which appears whole or not at all.

    Returns what was read, and the folder below `out` that readers of the format take.
    """
    pairs = read_any(spec, options.split, outside=options.allow_outside)
    if options.val_share is not None:
        pairs = part_validation(pairs, options.val_share)
    for own in pairs.splits.values():
        safe_names(own.names)
    with (
        new_place(out, "export", resumes=False) as work,
        tqdm(total=len(pairs), desc="exporting", unit="pair") as bar,
    ):
        shown = replace(
            pairs, splits={k: replace(v, read=counted(v.read, bar)) for k, v in pairs.splits.items()}
        )
        if options.to == DATASET:
            write_dataset(shown, work, format_of(spec)[0] or data_word(spec).path)
            home = work
        else:
            home = FORMATS[options.to][1](shown, work, palette_of(pairs.class_names, options.vocabulary))
        home = home.relative_to(work)
    return pairs, within(out, home)


def counted(read: Callable, bar: tqdm) -> Callable:
    def counting(number: int) -> NamedPair:
        pair = read(number)
        bar.update()
        return pair

    return counting
