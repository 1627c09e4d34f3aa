"""Datasets derived from a dataset folder: rows changed or left out, the folder itself untouched."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from dataset_builder.dataset_folder import label_names, write_labels
from diffusers_attnmask.ground.columns import picture_cell
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from diffusers_attnmask.ground.mirror import fetched
from train_segmenter.data.home import Home
from train_segmenter.data.hub import home_of, picture_file, undecoded
from train_segmenter.data.shards import open_rows, split_names, split_order
from train_segmenter.data.split_parts import Part, data_word

SHARD_SIZE = 256


Row = dict[str, Any]
Splits = Mapping[str, tuple[Iterable[Row], int]]  # rows and their number


@dataclass(frozen=True)
class OpenedDataset:
    """The pairs of the splits of a dataset, one after the other, and how many each split has.

    home: where pictures lie that rows only name, None for nowhere. path: of the dataset itself.
    """

    pairs: datasets.Dataset
    lengths: Mapping[str, int]
    home: Home | None
    path: Path

    def by_split(self, rows: Iterable[Row], kept: Sequence[int] | None = None) -> Splits:
        """New rows by the split of their pairs; kept: the numbers of these, in order, by default all."""
        numbers, rows = range(len(self.pairs)) if kept is None else kept, iter(rows)
        ends = [bisect_left(numbers, end) for end in accumulate(self.lengths.values())]
        counts = {
            split: end - start for split, (start, end) in zip(self.lengths, pairwise([0, *ends]), strict=True)
        }
        return {split: (islice(rows, count), count) for split, count in counts.items() if count}


def open_dataset(word: str | Path, *, outside: bool = False) -> OpenedDataset:
    """The pairs of a dataset folder or Hub name, or those of the splits and parts of it that the word names
    (`folder@train[:10%]`), in the columns of `pair_features`."""
    path, parts = data_word(word)
    path = fetched(path)
    splits: dict[str, list[datasets.Dataset]] = {}
    for part in parts or map(Part, sorted(split_names(path, outside=outside), key=split_order)):
        splits.setdefault(part.split, []).append(open_rows(path, str(part), outside=outside))
    dataset = datasets.concatenate_datasets([own for parts in splits.values() for own in parts])
    if missing := {"image", "mask", "classes"} - set(dataset.column_names):
        raise ValueError(f"{path} lacks the columns {', '.join(sorted(missing))}")
    label_names(dataset.features, path)
    lengths = {split: sum(map(len, own)) for split, own in splits.items()}
    return OpenedDataset(dataset, lengths, home_of(path, outside), Path(path))


@dataclass(frozen=True)
class StoredRows:
    """Rows with pictures as encoded files: copying them encodes nothing again, and leaves no file behind
    that a row only names."""

    dataset: datasets.Dataset
    home: Home | None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._stored[index]
        name = str(row.get("id") or f"row {index}")
        for column, feature in self._stored.features.items():
            if isinstance(feature, datasets.Image):
                row[column] = picture_cell(picture_file(row[column], f"the {column} of {name}", self.home))
        return row

    @cached_property
    def _stored(self) -> datasets.Dataset:
        return undecoded(self.dataset)


def mask_names(features: datasets.Features) -> list[str]:
    """The name of each mask id."""
    return list(features["classes"].feature.names)


def id_table(features: datasets.Features, classes: Sequence[int]) -> np.ndarray:
    """What a pair's own ids (0 and its classes from 1 on) are in its dataset: uint8 (256,).

    In a dataset without a background, as Cityscapes is one, what belongs to no class is 255.
    """
    table = np.full(256, IGNORE_ID, np.uint8)
    if mask_names(features)[0] == BACKGROUND:
        table[BACKGROUND_ID] = BACKGROUND_ID
    table[1 : len(classes) + 1] = classes
    return table


def write_rows(
    splits: Splits,
    features: datasets.Features,
    class_names: Sequence[str],
    folder: Path,
) -> None:
    """Write each split, its rows and their number, as Parquet files with the class names beside them."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    for split, (rows, count) in splits.items():
        rows, shards = iter(rows), max(1, -(-count // SHARD_SIZE))
        for shard in range(shards):
            part = datasets.Dataset.from_list(list(islice(rows, SHARD_SIZE)), features=features)
            part.to_parquet(folder / "data" / f"{split}-{shard:05d}-of-{shards:05d}.parquet")
    write_labels(class_names, folder)
