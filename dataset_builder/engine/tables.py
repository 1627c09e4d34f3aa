"""Large tables on their way out of a worker: in a file, which costs both processes less than a pipe."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pyarrow as pa

LEAST = 1 << 18  # bytes that are worth a file


def through_files(folder: str) -> None:
    """Whatever this process sends to another, its large tables go through files of the folder."""
    ForkingPickler.register(pa.Table, partial(sent, folder=folder))


def sent(table: pa.Table, folder: str) -> tuple[Any, ...]:
    """What makes the table anew where it arrives; through the pipe, if it is small, or there is no room."""
    if table.nbytes < LEAST:
        return table.__reduce__()
    handle, file = tempfile.mkstemp(dir=folder)
    try:
        with open(handle, "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
    except OSError:
        os.unlink(file)
        return table.__reduce__()
    return received, (file,)


def received(file: str) -> pa.Table:
    """The table of a file that nobody finds any more: its columns are the file itself."""
    table = pa.ipc.open_file(pa.memory_map(file)).read_all()
    with suppress(PermissionError):  # of systems where a mapped file stays; the pool removes it
        os.unlink(file)
    return table
