"""Datasets derived from a dataset folder: rows changed or left out, the folder itself untouched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from dataset_builder.dataset_folder import label_names
from dataset_builder.engine.spans import Span, numbers_through
from diffusers_attnmask.ground.columns import picture_cell
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from train_segmenter.data.finished import data_folder
from train_segmenter.data.home import Home
from train_segmenter.data.hub import from_dataset, home_of, names_beside, picture_file, undecoded
from train_segmenter.data.shards import open_rows, split_names, split_order
from train_segmenter.data.split_parts import Part, data_word


@dataclass(frozen=True)
class OpenedDataset:
    """The pairs of the splits of a dataset, one after the other, and how many each split has.

    home: where pictures lie that rows only name, None for nowhere. path: of the dataset itself.
    """

    pairs: datasets.Dataset
    lengths: Mapping[str, int]
    home: Home | None
    path: Path

    @cached_property
    def stored(self) -> StoredRows:
        return StoredRows(self.pairs, self.home)

    def rows(self, span: Span) -> Iterator[dict[str, Any]]:
        """Pairs of a split as they are stored."""
        return (self.stored[number] for number in numbers_through(self.lengths, span))

    def lengths_of(self, numbers: np.ndarray) -> dict[str, int]:
        """How many of these pairs, named by their numbers in order, each split has that has any."""
        ends = np.searchsorted(numbers, list(accumulate(self.lengths.values()))).tolist()
        counts = zip(self.lengths, (end - start for start, end in pairwise([0, *ends])), strict=True)
        return {split: count for split, count in counts if count}


def open_dataset(word: str | Path, *, outside: bool = False) -> OpenedDataset:
    """The pairs of a dataset folder or Hub name, or those of the splits and parts of it that the word names
    (`folder@train[:10%]`), in the columns of `pair_features`."""
    path, parts = data_word(word)
    path = data_folder(path)
    splits: dict[str, list[datasets.Dataset]] = {}
    for part in parts or map(Part, sorted(split_names(path, outside=outside), key=split_order)):
        splits.setdefault(part.split, []).append(open_rows(path, str(part), outside=outside))
    dataset = datasets.concatenate_datasets([own for parts in splits.values() for own in parts])
    if missing := {"image", "mask", "classes"} - set(dataset.column_names):
        raise ValueError(f"{path} lacks the columns {', '.join(sorted(missing))}")
    home = home_of(path, outside)
    labels = label_names(dataset.features, path)
    if from_dataset(dataset, names_beside(path, dataset.features), path, home).class_names != labels:
        raise ValueError(
            f"{path} has masks with a {BACKGROUND} that its column `classes` does not name: attnmask export "
            f"--data {path} --to dataset writes them with one"
        )
    lengths = {split: sum(map(len, own)) for split, own in splits.items()}
    return OpenedDataset(dataset, lengths, home, Path(path))


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
        for column in self._pictures:
            row[column] = picture_cell(picture_file(row[column], f"the {column} of {name}", self.home))
        return row

    @cached_property
    def _stored(self) -> datasets.Dataset:
        return undecoded(self.dataset)

    @cached_property
    def _pictures(self) -> tuple[str, ...]:
        """The columns that hold one: a dataset copies all features when asked, so once."""
        features = self.dataset.features
        return tuple(name for name in features if isinstance(features[name], datasets.Image))


def mask_names(features: datasets.Features) -> list[str]:
    """The name of each mask id."""
    return list(features["classes"].feature.names)


def id_table(names: Sequence[str], classes: Sequence[int]) -> np.ndarray:
    """What a pair's own ids (0 and its classes from 1 on) are in its dataset, whose ids have these names:
    uint8 (256,).

    In a dataset without a background, as Cityscapes is one, what belongs to no class is 255.
    """
    table = np.full(256, IGNORE_ID, np.uint8)
    if names[0] == BACKGROUND:
        table[BACKGROUND_ID] = BACKGROUND_ID
    table[1 : len(classes) + 1] = classes
    return table
