"""Datasets derived from a dataset folder: rows changed or left out, the folder itself untouched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from dataset_builder.dataset_folder import write_labels
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID

SHARD_SIZE = 256


def open_dataset(folder: Path) -> datasets.Dataset:
    """The pairs of a dataset folder or Hub name, in the columns of `pair_features`."""
    if folder.exists() and not any(folder.rglob("*.parquet")):
        raise FileNotFoundError(f"{folder} holds no Parquet files: give a folder made by attnmask build")
    with within_reach(folder, "dataset"):
        dataset = datasets.load_dataset(str(folder), split="train")
    if missing := {"image", "mask", "classes"} - set(dataset.column_names):
        raise ValueError(f"{folder} lacks the columns {', '.join(sorted(missing))}")
    return dataset


def undecoded(dataset: datasets.Dataset) -> datasets.Dataset:
    """The same rows with pictures as stored bytes, so that copying does not encode them again."""
    for name, feature in dataset.features.items():
        inner = getattr(feature, "feature", None)
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(name, datasets.Image(decode=False))
        elif isinstance(inner, datasets.Image):
            dataset = dataset.cast_column(name, datasets.List(datasets.Image(decode=False)))
    return dataset


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
