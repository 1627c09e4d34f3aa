"""A dataset folder as it lies on the disk: its shards, its columns, and its pairs one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasets import Features
from PIL import Image

from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.columns import MAPS
from diffusers_attnmask.ground.pictures import opened

LABELS = "id2label.json"
FILTER_TABLE = "filter.csv"  # of a filtered dataset: all pairs before, kept or not, and why
BATCH = 32  # rows in memory


@dataclass(frozen=True)
class StoredPair:
    """A row whose pictures are decoded when they are looked at."""

    row: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.row.get("id", ""))

    @property
    def image(self) -> Image.Image:
        return opened(self.row["image"]["bytes"], self.name)

    @property
    def mask(self) -> Image.Image:
        return opened(self.row["mask"]["bytes"], f"the mask of {self.name}")


def shard_paths(folder: Path) -> list[Path]:
    """The Parquet files of a dataset folder, in order."""
    paths = sorted((folder / "data").glob("*.parquet")) or sorted(folder.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(
            f"{folder} holds no Parquet files: give a dataset folder, such as attnmask build makes"
        )
    return paths


def read_rows(folder: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Every row in order, by default without the class maps; a column that the files lack is None."""
    for path in shard_paths(folder):
        with pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            wanted = [name for name in columns or present if name in present and name != MAPS]
            for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
                for row in batch.to_pylist():
                    yield dict.fromkeys(columns or ()) | row


def read_pairs(folder: Path) -> Iterator[StoredPair]:
    """Every pair in order."""
    return map(StoredPair, read_rows(folder))


def folder_features(folder: Path) -> Features:
    """The columns, as the files themselves say."""
    return Features.from_arrow_schema(pq.read_schema(shard_paths(folder)[0]))


def write_labels(class_names: Sequence[str], folder: Path) -> None:
    """`id2label.json`: the name of each mask id."""
    labels = {str(number): name for number, name in enumerate(class_names)}
    write_text(folder / LABELS, json.dumps(labels, indent=2, ensure_ascii=False) + "\n")


def class_names(folder: Path) -> tuple[str, ...]:
    """The name of each mask id: from `id2label.json`, else from the `classes` column."""
    labels = folder / LABELS
    if labels.is_file():
        named = {int(own): name for own, name in json.loads(labels.read_text(encoding="utf-8")).items()}
        return tuple(named[own] for own in range(len(named)))
    return tuple(folder_features(folder)["classes"].feature.names)
