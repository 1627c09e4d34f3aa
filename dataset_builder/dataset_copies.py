"""Datasets derived from a dataset folder: rows changed or left out, the folder itself untouched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from dataset_builder.building.layout import SPLIT
from dataset_builder.dataset_folder import label_names, write_labels
from diffusers_attnmask.ground.columns import picture_cell
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from train_segmenter.data.home import Home
from train_segmenter.data.hub import picture_file, undecoded
from train_segmenter.data.shards import open_rows

SHARD_SIZE = 256


def open_dataset(folder: Path, *, outside: bool = False) -> datasets.Dataset:
    """The pairs of a dataset folder or Hub name, in the columns of `pair_features`."""
    dataset = open_rows(str(folder), SPLIT, outside=outside)
    if missing := {"image", "mask", "classes"} - set(dataset.column_names):
        raise ValueError(f"{folder} lacks the columns {', '.join(sorted(missing))}")
    label_names(dataset.features, str(folder))
    return dataset


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
    splits: Mapping[str, tuple[Iterable[dict[str, Any]], int]],
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
