"""Files that appear whole or not at all: written in a hidden folder beside their place, synced, renamed.

Only the standard library is needed, so that every package may write through it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
PARTIAL = ".partial-"  # what the name of every hidden folder begins with


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path on the same disk, which becomes `path` when the block ends without an error.

    It has the same name, since many libraries read the format to write from the suffix; and it lies in a
    hidden folder, where nobody who lists the files beside `path` takes it for one of them. Missing folders
    are made.
    """
    with _hidden_folder(path.parent) as hidden:
        partial = hidden / path.name
        yield partial
        _sync(partial)
        share(partial)
        partial.replace(path)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder, which becomes `path` when the block ends without an error."""
    with _hidden_folder(path.parent) as hidden:
        partial = hidden / path.name
        partial.mkdir()
        yield partial
        for file in files_below(partial):
            _sync(file)
        shutil.rmtree(path, ignore_errors=True)
        partial.replace(path)


@contextmanager
def replacing_files(folder: Path) -> Iterator[Path]:
    """A temporary folder, whose files take the places of those in `folder` when the block ends without an
    error. What else is in `folder` stays."""
    with _hidden_folder(folder) as hidden:
        yield hidden
        files = files_below(hidden)
        for file in files:
            _sync(file)
            share(file)
        for file in files:
            place = folder / file.relative_to(hidden)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)


@contextmanager
def _hidden_folder(parent: Path) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=parent))
    try:
        yield hidden
    except Exception as error:
        if (code := _code_of_the_disk(error)) is not None:
            raise OSError(code, os.strerror(code), str(parent)) from error
        raise
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _code_of_the_disk(error: Exception) -> int | None:
    """What was wrong with the disk where a library tells of it in an error of its own: safetensors in words,
    torch in what came before."""
    if isinstance(error, OSError):
        return None
    told = re.search(r"\(os error (\d+)\)", str(error))
    code = int(told[1]) if told else getattr(error.__context__, "errno", None)
    return code if code in DISK_FAULTS else None


def remove_folder(path: Path) -> None:
    """Remove a folder whole: who is killed meanwhile leaves a hidden one, and no part of it in its place."""
    with _hidden_folder(path.parent) as hidden:
        path.replace(hidden / path.name)


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 in one piece."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def share(path: Path) -> None:
    """Give a file the usual permissions: some libraries make files for their owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def remove_partial(folder: Path) -> None:
    """Remove what writers that were killed left anywhere under a folder."""
    for hidden in list(folder.rglob(f"{PARTIAL}*/")):
        if hidden.exists():  # it goes with the one that it lies in
            shutil.rmtree(hidden)
