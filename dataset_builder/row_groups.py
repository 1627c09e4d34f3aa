"""Rows of Parquet files by their numbers: only the groups of a file that hold them are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dataset_builder.dataset_folder import BATCH
from diffusers_attnmask.ground.columns import MAPS
from train_segmenter.data import shards


@dataclass(frozen=True)
class RowGroup:
    """A group by its file and its number there, and the numbers of its rows through all files."""

    path: Path
    number: int
    rows: range


def row_groups(files: Iterable[Path]) -> list[RowGroup]:
    """The groups of files, in order."""
    found, first = [], 0
    for path in files:
        metadata = pq.read_metadata(path)
        for number in range(metadata.num_row_groups):
            after = first + metadata.row_group(number).num_rows
            found.append(RowGroup(path, number, range(first, after)))
            first = after
    return found


def shared(group: RowGroup, numbers: range) -> range:
    """Those of consecutive numbers that are rows of the group."""
    start = max(group.rows.start, numbers.start)
    return range(start, max(start, min(group.rows.stop, numbers.stop)))


def read_between(groups: Sequence[RowGroup], numbers: range) -> Iterator[dict[str, Any]]:
    """The rows of consecutive numbers, without class maps."""
    for group in groups:
        if wanted := shared(group, numbers):
            with shards.readable(group.path), pq.ParquetFile(group.path) as file:
                columns = [name for name in file.schema_arrow.names if name != MAPS]
                batches = file.iter_batches(BATCH, row_groups=[group.number], columns=columns)
                first = group.rows.start
                for batch in batches:
                    start, stop = max(wanted.start - first, 0), min(wanted.stop - first, batch.num_rows)
                    if start < stop:
                        yield from batch.slice(start, stop - start).to_pylist()
                    first += batch.num_rows
                    if first >= wanted.stop:
                        break
