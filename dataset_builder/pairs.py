"""The pairs of a dataset folder, one after the other, with the memory of one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image


@dataclass(frozen=True)
class StoredPair:
    """A row whose pictures are decoded when they are looked at."""

    row: dict

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.row["image"]["bytes"]))

    @property
    def mask(self) -> Image.Image:
        return Image.open(io.BytesIO(self.row["mask"]["bytes"]))

    @property
    def id(self) -> str:
        return self.row["id"]

    @property
    def prompt(self) -> str:
        return self.row["prompt"]

    @property
    def classes(self) -> list[int]:
        return self.row["classes"]

    @property
    def quality(self) -> float:
        return self.row["quality"]

    @property
    def method(self) -> str:
        return self.row["method"]

    @property
    def model(self) -> str:
        return self.row["model"]


def shard_paths(folder: Path) -> list[Path]:
    """The Parquet files of a dataset folder, in order."""
    return sorted((folder / "data").glob("*.parquet")) or sorted(folder.glob("*.parquet"))


def read_pairs(folder: Path) -> Iterator[StoredPair]:
    """Every pair of a folder of Parquet files in the columns of `pair_features`."""
    paths = shard_paths(folder)
    if not paths:
        raise FileNotFoundError(f"{folder} holds no Parquet files: give a folder made by attnmask build")
    for path in paths:
        file = pq.ParquetFile(path)
        columns = [name for name in file.schema_arrow.names if name != "maps"]
        for batch in file.iter_batches(batch_size=32, columns=columns):
            for row in batch.to_pylist():
                yield StoredPair(row)
