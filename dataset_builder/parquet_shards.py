"""Parquet files that say themselves whose they are, so that a run finds those that it need not make."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

METADATA_KEY = b"attnmask"
ROWS_PER_GROUP = 100  # as the Hub's viewer likes it for pictures


def noted(table: pa.Table, note: Mapping[str, Any]) -> pa.Table:
    """The table with a note of plain values in its file's head."""
    text = json.dumps(note, sort_keys=True).encode()
    return table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA_KEY: text})


def write_parquet(table: pa.Table, target: Any) -> None:
    """Write a table to a path or a stream; pictures are compressed already."""
    with pq.ParquetWriter(target, table.schema, compression="none", use_dictionary=False) as writer:
        if len(table):  # `datasets` reads a file without groups, but no group without rows
            writer.write_table(table, row_group_size=ROWS_PER_GROUP)


def read_note(path: Path) -> Mapping[str, Any]:
    """The note of a file; an empty one where the file is not there, not whole, or somebody else's."""
    if not path.is_file():
        return {}
    try:
        metadata = pq.read_schema(path).metadata
    except (pa.ArrowInvalid, OSError):
        return {}
    return json.loads((metadata or {}).get(METADATA_KEY, b"{}"))


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
