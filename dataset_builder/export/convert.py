"""From any format to any other: every format is a reader and a writer of named pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from dataset_builder.dataset_folder import write_labels
from dataset_builder.derived_shards import DerivedRows, Row, holds_shards, write_shards
from dataset_builder.engine.kept_parts import KeptParts, remove_parts
from dataset_builder.engine.kept_parts import Part as MadePart
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.spans import Span, spans
from dataset_builder.engine.workers import OpenedAnew, Workers, working
from dataset_builder.export.cityscapes import CityscapesWriter, read_cityscapes
from dataset_builder.export.coco import CocoWriter, read_coco
from dataset_builder.export.dataset import pair_row, read_dataset
from dataset_builder.export.folder import FolderWriter, MmsegWriter, read_folder, read_mmseg
from dataset_builder.export.imagefolder import ImageFolderWriter, read_imagefolder
from dataset_builder.export.pair_set import PairSet, part_validation
from dataset_builder.export.palettes import palette_of
from dataset_builder.export.safety import safe_names
from dataset_builder.export.voc import VocPngWriter, VocWriter, read_voc
from dataset_builder.export.writer import Writer
from dataset_builder.export.yolo import YoloBoxWriter, YoloWriter, read_yolo
from dataset_builder.origin import identity_of
from diffusers_attnmask.ground.bars import moving_bar
from diffusers_attnmask.ground.columns import pair_features
from diffusers_attnmask.ground.options import Fault, OptionsError, options
from diffusers_attnmask.ground.own_folder import clear
from diffusers_attnmask.ground.places import new_place, within
from diffusers_attnmask.ground.remote import is_remote
from train_segmenter.data.finished import data_folder
from train_segmenter.data.split_parts import DataWord, Part, data_word, format_of, parts_of

Reader = Callable[..., PairSet]  # of a folder, a split, and whether files may lie outside
DATASET = "dataset"
Format = Literal[
    "voc", "cityscapes", "coco", "mmseg", "folder", "imagefolder", "yolo-seg", "yolo-detect", "dataset"
]
FORMATS: dict[str, tuple[Reader, type[Writer]]] = {
    "voc": (read_voc, VocWriter),
    "cityscapes": (read_cityscapes, CityscapesWriter),
    "coco": (read_coco, CocoWriter),
    "mmseg": (read_mmseg, MmsegWriter),
    "folder": (read_folder, FolderWriter),
    "imagefolder": (read_imagefolder, ImageFolderWriter),
    "yolo-seg": (read_yolo, YoloWriter),
    "yolo-detect": (read_yolo, YoloBoxWriter),
}


@options
class ExportOptions:
    """to: the format to write. vocabulary: whose colours to use. val_share: part of the training pairs to
    write as validation split. split: the one to read where the word names none, by default all.
    allow_outside: read files, too, that the data name outside of their folder. png: VOC's pictures as PNG,
    which loses nothing, in place of JPEG."""

    to: Format
    vocabulary: str | None = None
    split: str | None = None
    val_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    allow_outside: bool = False
    png: bool = False

    def __post_init__(self) -> None:
        if self.png and self.to != "voc":
            raise OptionsError([Fault("png", f" is for voc alone; {self.to} loses nothing of a picture")])

    @property
    def writer(self) -> type[Writer]:
        return VocPngWriter if self.png else FORMATS[self.to][1]


def read_any(spec: str, split: str | None = None, *, outside: bool = False) -> PairSet:
    """Pairs of `FORMAT:path`, or of a dataset folder or Hub name, each checked when it is read; where the
    word ends in `@train[:10%]`, of these parts."""
    reader, word = _reader(spec)
    if word.parts and split is not None:
        raise ValueError(f"{spec} names a split, and --split {split} another time: name it once")
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
        word = word._replace(path=data_folder(word.path))
        if not Path(word.path).is_dir():
            raise FileNotFoundError(f"there is no folder {word.path!r}")
        reader = FORMATS[kind][0]
        return lambda path, split, **options: reader(Path(path), split, **options), word
    if kind and not (kind == DATASET or is_remote(spec) or Path(spec).exists()):
        raise ValueError(f"{spec!r} has an unknown format: use one of {', '.join((*FORMATS, DATASET))}")
    word = data_word(rest if kind == DATASET else spec)
    return read_dataset, word._replace(path=data_folder(word.path))


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
    return PairSet(names.pop(), splits, all(own.tells_objects for own in read.values()))


@dataclass(frozen=True)
class ExportStage(OpenedAnew):
    """Data and the format that they are written in, as every worker opens them."""

    spec: str
    options: ExportOptions

    @cached_property
    def pairs(self) -> PairSet:
        pairs = read_any(self.spec, self.options.split, outside=self.options.allow_outside)
        share = self.options.val_share
        return pairs if share is None else part_validation(pairs, share)

    @property
    def identity(self) -> str:
        kind, rest = format_of(self.spec)
        return identity_of("export", rest, {"format": kind, **asdict(self.options)})

    @property
    def lengths(self) -> dict[str, int]:
        return {split: len(own) for split, own in self.pairs.splits.items()}

    @cached_property
    def writer(self) -> Writer:
        palette = palette_of(self.pairs.class_names, self.options.vocabulary)
        return self.options.writer(self.pairs, palette)

    def part(self, span: Span) -> MadePart:
        """Pairs as files of the format."""
        read = self.pairs.splits[span.split].read
        written = [self.writer.pair(span.split, number, read(number)) for number in span.numbers]
        files = {name: content for own in written for name, content in own.files.items()}
        return MadePart.of(span, [own.entry for own in written], files)

    def rows(self, span: Span) -> Iterator[Row]:
        """Pairs as rows of a dataset."""
        read = self.pairs.splits[span.split].read
        origin = format_of(self.spec)[0] or data_word(self.spec).path
        return (pair_row(read(number), number, self.pairs.class_names, origin) for number in span.numbers)


def convert(
    spec: str, out: str | Path, options: ExportOptions, engine: EngineOptions | None = None
) -> tuple[PairSet, str | Path]:
    """Write the pairs of `spec` as the folder `out`, which appears whole or not at all.

    Returns what was read, and the folder below `out` that readers of the format take. A run that was stopped
    goes on where it was.
    """
    stage = ExportStage(spec, options)
    for own in stage.pairs.splits.values():
        safe_names(own.names)
    with new_place(out, "export") as work:
        parts = KeptParts(work, "pairs", stage.identity)
        if not (parts.begun or holds_shards(work, stage.identity)):
            clear(work)  # of what an export of something else left
        with (
            working(stage, engine or EngineOptions()) as workers,
            moving_bar("exporting", len(stage.pairs)) as bar,
        ):
            if options.to == DATASET:
                home = _as_dataset(stage, work, workers, bar.update)
            else:
                home = _as_files(stage, parts, work, workers, bar.update)
        remove_parts(work)
        home = home.relative_to(work)
    return stage.pairs, within(out, home)


def _as_dataset(
    stage: ExportStage, work: Path, workers: Workers[ExportStage], advance: Callable[[int], object]
) -> Path:
    names = stage.pairs.class_names
    features = pair_features(names, instances=stage.pairs.tells_objects)
    rows = DerivedRows(stage.lengths, ExportStage.rows, features, stage.identity)
    write_shards(rows, work, workers, advance)
    write_labels(names, work)
    return work


def _as_files(
    stage: ExportStage,
    parts: KeptParts,
    work: Path,
    workers: Workers[ExportStage],
    advance: Callable[[int], object],
) -> Path:
    writer, lengths = stage.writer, stage.lengths
    parts.make(workers, ExportStage.part, spans(lengths), advance)
    of_split = {split: list(spans({split: length})) for split, length in lengths.items()}
    return writer.finish(work, {split: partial(parts.entries, own) for split, own in of_split.items()})
