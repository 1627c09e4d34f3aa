"""The shards of a dataset that is made from another one: rows by workers, files by this process, one by one.

Each file says in its head whose it is: a run that was stopped goes on with those that are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
from datasets import Features

from dataset_builder.engine.spans import Span, spans, within
from dataset_builder.engine.workers import Workers
from dataset_builder.parquet_shards import noted, read_note, sync_folder, write_parquet
from diffusers_attnmask.ground.atomic_files import replacing

Stage = TypeVar("Stage")
Row = dict[str, Any]
SHARD_SIZE = 256
DATA = "data"  # the folder of the files


@dataclass(frozen=True)
class DerivedRows(Generic[Stage]):
    """What a new dataset holds.

    lengths: the number of rows of each split. rows: makes those of a span from what the stage has opened.
    identity: of all that decides a byte.
    """

    lengths: Mapping[str, int]
    rows: Callable[[Stage, Span], Iterable[Row]]
    features: Features
    identity: str

    def __len__(self) -> int:
        return sum(self.lengths.values())

    def __call__(self, stage: Stage, span: Span) -> tuple[Span, pa.Table]:
        """What a worker does for a span."""
        return span, pa.Table.from_pylist(list(self.rows(stage, span)), schema=self.features.arrow_schema)


@dataclass(frozen=True)
class _Shard:
    """A file by its name, and its rows."""

    name: str
    rows: Span

    def note(self, identity: str) -> Mapping[str, Any]:
        return {"derived": identity, "shard": self.name}


def write_shards(
    asked: DerivedRows[Stage], folder: Path, workers: Workers[Stage], advance: Callable[[int], object]
) -> None:
    """Write the files of a dataset that its folder lacks. advance: is told of every so many rows."""
    data = folder / DATA
    shards = list(_shards(asked.lengths))
    missing = [own for own in shards if read_note(data / own.name) != own.note(asked.identity)]
    for stranger in {path.name for path in data.glob("*")} - {own.name for own in shards}:
        (data / stranger).unlink()  # of a run that was asked for something else
    advance(len(asked) - sum(len(own.rows) for own in missing))
    for shard, tables in _complete(asked, missing, workers, advance):
        with replacing(data / shard.name) as partial:
            write_parquet(noted(pa.concat_tables(tables), shard.note(asked.identity)), partial)
        sync_folder(data)


def holds_shards(folder: Path, identity: str) -> bool:
    """Whether a folder has files of the dataset of this identity."""
    return any(read_note(path).get("derived") == identity for path in (folder / DATA).glob("*.parquet"))


def _shards(lengths: Mapping[str, int]) -> Iterator[_Shard]:
    for split, length in lengths.items():
        parts = list(spans({split: length}, SHARD_SIZE))
        for number, rows in enumerate(parts):
            yield _Shard(f"{split}-{number:05d}-of-{len(parts):05d}.parquet", rows)


def _complete(
    asked: DerivedRows[Stage],
    shards: Sequence[_Shard],
    workers: Workers[Stage],
    advance: Callable[[int], object],
) -> Iterator[tuple[_Shard, list[pa.Table]]]:
    """Each shard with the parts of its table, in order, as soon as all of them are there."""
    found: dict[tuple[str, int], dict[int, pa.Table]] = defaultdict(dict)
    by_place = {(own.rows.split, own.rows.start // SHARD_SIZE): own for own in shards}
    for span, table in workers.results(asked, (part for own in shards for part in within(own.rows))):
        place = span.split, span.start // SHARD_SIZE
        found[place][span.start] = table
        advance(len(span))
        if sum(own.num_rows for own in found[place].values()) == len(by_place[place].rows):
            parts = found.pop(place)
            yield by_place[place], [parts[start] for start in sorted(parts)]
