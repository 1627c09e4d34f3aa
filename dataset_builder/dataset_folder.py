"""A dataset folder as it lies on the disk: its shards, its columns, and its pairs one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from datasets import Features
from PIL import Image

from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.columns import MAPS
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.pictures import mask_ids, opened, rgb_pixels, upright_size
from train_segmenter.data import shards
from train_segmenter.data.base import fault
from train_segmenter.data.home import Home
from train_segmenter.data.hub import hub, names_beside, picture_file
from train_segmenter.data.names import LABELS, labels_of
from train_segmenter.data.split_parts import Part, no_split

FILTER_TABLE = "filter.csv"  # of a filtered dataset: all pairs before, kept or not, and why
BATCH = 32  # rows in memory


@dataclass(frozen=True)
class StoredPair:
    """A row whose pictures are decoded when they are looked at; classes: how many masks have ids for."""

    row: dict[str, Any]
    home: Home | None
    classes: int

    @property
    def name(self) -> str:
        return str(self.row.get("id") or "a pair without id")

    @property
    def image(self) -> Image.Image:
        """The image in RGB, upright."""
        return Image.fromarray(rgb_pixels(self._opened("image"), self.name))

    @property
    def mask(self) -> np.ndarray:
        """Class ids uint8 (H, W), which fit the image and the classes."""
        ids = mask_ids(self._opened("mask"), f"the mask of {self.name}")
        width, height = upright_size(self._opened("image"))
        if wrong := fault((height, width), ids, self.classes):
            raise ValueError(f"{self.name}: {wrong}")
        return ids

    def _opened(self, column: str) -> Image.Image:
        name = f"the {column} of {self.name}"
        return opened(picture_file(self.row.get(column), name, self.home), name)


def shard_paths(folder: Path, *, outside: bool = False) -> list[Path]:
    """The Parquet files of a dataset folder, in order, none of them missing or cut off."""
    return shards.shard_paths(Home(folder, outside))


def split_files(folder: Path, *, outside: bool = False) -> dict[str, list[Path]]:
    """The Parquet files of each split of a dataset folder."""
    return shards.split_files(shard_paths(folder, outside=outside))


def rows_in(files: Iterable[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in files)


def read_rows(
    folder: Path,
    columns: Sequence[str] | None = None,
    *,
    parts: Sequence[Part] = (),
    outside: bool = False,
) -> Iterator[dict[str, Any]]:
    """Every row in order, or those of the parts, by default without the class maps; a column that the files
    lack is None."""
    files = split_files(folder, outside=outside)
    for split, numbers in chosen_numbers(folder, files, parts):
        yield from islice(_rows(files[split], columns), numbers.start, numbers.stop)


def chosen_numbers(
    folder: Path, files: Mapping[str, Sequence[Path]], parts: Sequence[Part]
) -> Iterator[tuple[str, range]]:
    """The numbers of the rows of each part in its split; without parts, of all rows of all splits."""
    for part in parts or map(Part, files):
        if part.split not in files:
            raise no_split(folder, part.split, files)
        yield part.split, part.numbers(rows_in(files[part.split]))


def _rows(paths: Iterable[Path], columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    for path in paths:
        with shards.readable(path), pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            wanted = [name for name in columns or present if name in present and name != MAPS]
            for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
                for row in batch.to_pylist():
                    yield dict.fromkeys(columns or ()) | row


def read_pairs(folder: Path, *, parts: Sequence[Part] = (), outside: bool = False) -> Iterator[StoredPair]:
    """Every pair in order, or those of the parts."""
    home, classes = Home(folder, outside), len(class_names(folder))
    for row in read_rows(folder, parts=parts, outside=outside):
        yield StoredPair(row, home, classes)


def check_pairs(folder: Path, *, progress: bool = True) -> None:
    """Refuses a dataset that cannot be read where it is alone: every picture must be within its row."""
    total = rows_in(shard_paths(folder))
    classes = len(class_names(folder))
    for row in bar(read_rows(folder), "checking pairs", total, shown=progress, passing=True):
        pair = StoredPair(row, None, classes)
        pair.image  # noqa: B018 - read to its end
        pair.mask  # noqa: B018


def folder_features(folder: Path, *, outside: bool = False) -> Features:
    """The columns, as the files themselves say."""
    return Features.from_arrow_schema(pq.read_schema(shard_paths(folder, outside=outside)[0]))


def write_labels(class_names: Sequence[str], folder: Path) -> None:
    """`id2label.json`: the name of each mask id."""
    labels = {str(number): name for number, name in enumerate(class_names)}
    write_text(folder / LABELS, json.dumps(labels, indent=2, ensure_ascii=False) + "\n")


def class_names(folder: Path, *, outside: bool = False) -> tuple[str, ...]:
    """The name of each mask id: from `id2label.json`, else from the `classes` column, whose first rows tell
    whether it leaves a background out."""
    features = folder_features(folder, outside=outside)
    if (names := names_beside(str(folder), features)) is not None:
        return names
    labels = label_names(features, str(folder))
    if BACKGROUND in labels:
        return labels
    return hub(str(folder), next(iter(split_files(folder, outside=outside))), outside=outside).class_names


def named_classes(row: Mapping[str, Any], features: Features, name: str) -> list[str]:
    """The names of a row's classes."""
    names = label_names(features, name)
    classes = row["classes"] or []
    if wrong := [own for own in classes if own is None or not 0 <= own < len(names)]:
        raise ValueError(f"{name}: classes {wrong} (the classes are 0 to {len(names) - 1})")
    return [names[own] for own in classes]


def quality_of(row: Mapping[str, Any], name: str) -> float:
    """A row's quality in [0, 1], 0 where it has none."""
    quality = row.get("quality") or 0.0
    if not 0 <= quality <= 1:
        raise ValueError(f"{name}: the quality {quality} is not in [0, 1]")
    return quality


def label_names(features: Features, origin: str) -> tuple[str, ...]:
    """The names of the column `classes`, which must be a list of labels."""
    labels = labels_of(features)
    if labels is None:
        raise ValueError(f"{origin} has no column `classes` of class labels, as attnmask build writes it")
    return labels
