"""A shard: rows and their counts in one Parquet file, which is either whole or not there."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from datasets import Features

from dataset_builder.building.candidates import Skipped
from dataset_builder.building.layout import ShardName
from dataset_builder.building.row import BuiltRow
from dataset_builder.building.tally import Tally
from dataset_builder.parquet_shards import noted, read_note, sync_folder, write_parquet
from diffusers_attnmask.ground.atomic_files import write_bytes


@dataclass(frozen=True)
class Shard:
    """An encoded shard."""

    name: ShardName
    content: bytes
    tally: Tally


def tally_of(results: Sequence[BuiltRow | Skipped]) -> Tally:
    tally = Tally()
    for result in sorted(results, key=lambda result: result.index):
        if isinstance(result, Skipped):
            tally.skip(result)
        else:
            tally.keep(result.classes, result.quality, result.retried)
    return tally


def encode_shard(
    name: ShardName, results: Sequence[BuiltRow | Skipped], features: Features, identity: str
) -> Shard:
    """A shard's bytes from its pairs, whatever their order. `identity` says whose shard it is."""
    tally = tally_of(results)
    pairs = sorted((own for own in results if isinstance(own, BuiltRow)), key=lambda pair: pair.index)
    note = {"build": identity, "shard": str(name), "tally": tally.to_dict()}
    schema = features.arrow_schema
    table = pa.Table.from_pylist([pair.row for pair in pairs], schema=schema)
    stream = io.BytesIO()
    write_parquet(noted(table, note), stream)
    return Shard(name, stream.getvalue(), tally)


def write_shard(shard: Shard, path: Path) -> None:
    """Write a shard in one piece; it outlives a crash from here on."""
    write_bytes(path, shard.content)
    sync_folder(path.parent)


def read_tally(path: Path, name: ShardName, identity: str) -> Tally | None:
    """The counts of a finished shard of this build; None where it must be built."""
    note = read_note(path)
    if note.get("build") != identity or note.get("shard") != str(name):
        return None
    return Tally.from_dict(note["tally"])
