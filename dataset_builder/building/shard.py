"""A shard: rows and their counts in one Parquet file, which is either whole or not there."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from dataset_builder.building.candidates import Skipped
from dataset_builder.building.layout import ShardName
from dataset_builder.building.row import BuiltRow
from dataset_builder.building.tally import Tally
from diffusers_attnmask.ground.atomic_files import write_bytes

METADATA_KEY = b"attnmask"
ROWS_PER_GROUP = 100  # as the Hub's viewer likes it for pictures


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
    note = json.dumps({"build": identity, "shard": str(name), "tally": tally.to_dict()}, sort_keys=True)
    schema = features.arrow_schema
    table = pa.Table.from_pylist([pair.row for pair in pairs], schema=schema)
    table = table.replace_schema_metadata({**schema.metadata, METADATA_KEY: note.encode()})
    stream = io.BytesIO()
    # pictures are compressed already
    pq.write_table(table, stream, row_group_size=ROWS_PER_GROUP, compression="none", use_dictionary=False)
    return Shard(name, stream.getvalue(), tally)


def write_shard(shard: Shard, path: Path) -> None:
    """Write a shard in one piece; it outlives a crash from here on."""
    write_bytes(path, shard.content)
    sync_folder(path.parent)


def read_tally(path: Path, name: ShardName, identity: str) -> Tally | None:
    """The counts of a finished shard of this build; None where it must be built."""
    if not path.is_file():
        return None
    try:
        metadata = pq.read_schema(path).metadata
    except (pa.ArrowInvalid, OSError):
        return None
    note = json.loads((metadata or {}).get(METADATA_KEY, b"{}"))
    if note.get("build") != identity or note.get("shard") != str(name):
        return None
    return Tally.from_dict(note["tally"])


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
