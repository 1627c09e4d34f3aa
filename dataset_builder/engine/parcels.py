"""Large results on their way out of a worker: in a file, which costs both processes less than a pipe."""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

LEAST = 1 << 18  # bytes that are worth a file


@dataclass(frozen=True)
class Parcel:
    """A pickled result and, behind it, the buffers that it holds, as the columns of a table do."""

    file: str
    sizes: tuple[int, ...]


def packed(result: Any, folder: str) -> Any:
    """A parcel in the folder; or the result itself, where it is small, or there is no room."""
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(result, protocol=5, buffer_callback=buffers.append)
    pieces = [memoryview(content), *(own.raw() for own in buffers)]
    if sum(own.nbytes for own in pieces) < LEAST:
        return result
    handle, file = tempfile.mkstemp(dir=folder)
    try:
        with open(handle, "wb") as stream:
            stream.writelines(pieces)
    except OSError:
        os.unlink(file)
        return result
    return Parcel(file, tuple(own.nbytes for own in pieces))


def unpacked(result: Any) -> Any:
    """The result of a parcel, whose buffers are the file itself, which nobody finds any more."""
    if not isinstance(result, Parcel):
        return result
    with open(result.file, "rb") as stream:
        whole = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY))
    with suppress(PermissionError):  # of systems where a mapped file stays; the pool removes it
        os.unlink(result.file)
    ends = accumulate(result.sizes)
    content, *buffers = (whole[end - size : end] for size, end in zip(result.sizes, ends, strict=True))
    return pickle.loads(content, buffers=buffers)
