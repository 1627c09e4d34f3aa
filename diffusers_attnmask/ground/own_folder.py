"""Folders that commands write: new, empty or their own, and one run at a time in each.

A folder's mark names the command that it belongs to, so that no command takes another's folder, or a
stranger's, for its own. The lock is the kernel's: it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from diffusers_attnmask.ground.atomic_files import PARTIAL, remove_partial, write_text

MARK, LOCK = ".attnmask", ".attnmask.lock"
UNFINISHED = ".unfinished"  # what the name of a folder ends with until it is complete
NOTHING = (MARK, LOCK, ".DS_Store", "Thumbs.db", "lost+found")  # beside which a folder is empty

ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

_held: set[tuple[int, Path]] = set()  # by thread: what a command holds, its steps may write


@contextmanager
def own_folder(out: str | Path, command: str) -> Iterator[Path]:
    """The folder `out`, for this run of this command alone; it is made, or was empty, or is the command's.

    What writers that were killed left in it is removed. A folder that is as empty as before when the block
    ends is left as it was. The steps of a command may ask for its folder again.
    """
    out = place_here(out)
    key = (threading.get_ident(), out.resolve())
    if key in _held:
        yield out
        return
    with _claimed(out, command):
        _held.add(key)
        try:
            yield out
        finally:
            _held.discard(key)


@contextmanager
def new_folder(out: str | Path, command: str) -> Iterator[Path]:
    """A folder beside `out` that becomes `out` when the block ends without an error; `out` must not be there.

    An interrupted block leaves it for the next run of the command, which goes on with what it finds.
    """
    out = place_here(out)
    check_new(out)
    own, work = out.resolve(), unfinished(out)
    with _claimed(work, command):
        check_new(out)  # a run that ended a moment ago may have made it
        yield work
        work.replace(own)
        (own / LOCK).unlink()


def unfinished(out: Path) -> Path:
    """What a new folder is called until it is complete."""
    own = out.resolve()
    return own.with_name(f"{own.name}{UNFINISHED}")


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing of anyone, marks aside."""
    return all(_is_nothing(entry.name) for entry in folder.iterdir())


def _is_nothing(name: str) -> bool:
    return name in NOTHING or name.startswith(PARTIAL)


def bears_line(file: Path, line: str) -> bool:
    """Whether a file may be written by whoever ends its files, or begins them, with this line: it does, or is
    not there."""
    return not file.exists() or (file.is_file() and line.encode() in file.read_bytes())


def check_own(folder: Path, command: str) -> None:
    """Raise unless the command may write into a folder."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: choose a folder")
    check_owner(folder, command, owner_of(folder), [entry.name for entry in folder.iterdir()])


def check_owner(folder: Path | str, command: str, owner: str | None, names: Iterable[str]) -> None:
    """Raise unless a folder with these names in it and its mark is the command's, or nobody's."""
    found = [name for name in names if not _is_nothing(name)]
    if not found or owner == command:
        return
    if owner is None:
        raise FileExistsError(
            f"{folder} holds what attnmask {command} did not write, such as {min(found)}: "
            "choose another folder"
        )
    raise FileExistsError(
        f"{folder} was written by attnmask {owner}, not by {command}: choose another folder"
    )


def owner_of(folder: Path) -> str | None:
    """The command that a folder's mark names; None where there is no mark."""
    mark = folder / MARK
    return mark.read_text(encoding="utf-8", errors="replace").strip() if mark.is_file() else None


def check_new(out: Path) -> None:
    """Raise unless a folder may get this name, which must not be there."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise FileExistsError(f"{out} exists: choose another folder, or remove it first")


def place_here(out: str | Path) -> Path:
    """Where something is to be written on this machine; a name that nobody means is refused."""
    name = str(out)
    if not name.strip():
        raise ValueError(f"{name!r} is no place to write to: name one, or . for this folder")
    if "\0" in name or name != name.encode(errors="replace").decode():
        raise ValueError(f"{name!r} is no name in UTF-8, which what is written needs: choose another one")
    if name.startswith("~"):
        raise ValueError(
            f"{name}: ~ is replaced by the shell alone, at the start of a word; write it in full"
        )
    place = Path(out)
    if ELSEWHERE.match(place.as_posix()):  # of an address, a path has kept one slash
        raise ValueError(f"{place} is no folder of this machine, where this is written: choose one that is")
    for part in (place, *place.parents):
        if part.is_symlink() and not part.exists():
            raise FileNotFoundError(
                f"{part} is a link that leads nowhere: choose another place, or remove it"
            )
    return place


def clear(folder: Path) -> None:
    """Remove what a command that holds a folder has in it."""
    for left in folder.iterdir():
        if left.name not in (MARK, LOCK):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def _claimed(folder: Path, command: str) -> Iterator[None]:
    check_own(folder, command)
    missing = [own for own in (folder, *folder.parents) if not own.exists()]
    try:
        with held_folder(folder):
            check_own(folder, command)  # another command may have been quicker
            if owner_of(folder) != command:
                write_text(folder / MARK, f"{command}\n")
            remove_partial(folder)
            try:
                yield
            finally:
                if folder.exists() and is_empty(folder):
                    (folder / MARK).unlink(missing_ok=True)
    finally:
        for own in missing:
            with suppress(OSError):
                own.rmdir()  # only where it is empty


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold a folder, whosever it is and made where it is missing; one that another run holds is refused."""
    lock = FileLock(folder / LOCK)
    while not lock.is_locked:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise OSError(
                f"another run is at work in {folder}: wait for it, or choose another folder"
            ) from None
        if not (folder / LOCK).exists():  # the run before took it away when this one had opened it
            lock.release()
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()
