"""Where commands write: folders of this machine, and folders elsewhere, under the rules of `own_folder`.

What goes elsewhere is made in the cache of this machine, and removed from there when all of it has arrived;
an interrupted run leaves it for the next one. No command takes the folder of another one elsewhere either,
but nothing keeps two machines from running the same command there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from diffusers_attnmask.ground.mirror import WRITING, Mirror, copy_of
from diffusers_attnmask.ground.own_folder import (
    MARK,
    check_new,
    check_own,
    check_owner,
    clear,
    new_folder,
    own_folder,
    place_here,
    unfinished,
)
from diffusers_attnmask.ground.remote import RemoteFolder, is_remote

WORK = "work"  # of the cache: what is written


@dataclass(frozen=True)
class Place:
    """A folder that a command writes, and what takes a finished file of it to where it belongs."""

    folder: Path
    send: Callable[[Path], None]


@contextmanager
def own_place(out: str | Path, command: str) -> Iterator[Place]:
    """`own_folder`, wherever it is: a folder elsewhere is complete there when the block ends."""
    if not is_remote(out):
        with own_folder(out, command) as folder:
            yield Place(folder, lambda file: None)
        return
    remote = RemoteFolder(str(out))
    with own_folder(copy_of(remote.address, WORK), command) as folder:
        stamps = remote.stamps()
        _check_own(remote, command, stamps)
        mirror = Mirror(remote, folder)
        mirror.restore(stamps)
        mirror.send(folder / MARK)
        try:
            yield Place(folder, mirror.send)
            mirror.send_all()
        finally:
            if set(mirror.known) == {MARK}:  # then it is left as it was
                with suppress(OSError):
                    remote.remove(MARK)
                mirror.forget()
        clear(folder)
        mirror.forget()


@contextmanager
def new_place(out: str | Path, command: str) -> Iterator[Path]:
    """`new_folder`, wherever it is: a folder elsewhere says that it is not finished until it is."""
    if not is_remote(out):
        with new_folder(out, command) as work:
            yield work
        return
    remote = RemoteFolder(str(out))
    left, own = _left_by(remote, command), copy_of(remote.address, WORK)
    shutil.rmtree(own, ignore_errors=True)  # of a run that was killed when it had sent everything
    with new_folder(own, command) as work:
        for name in left:
            remote.remove(name)
        remote.write(WRITING, f"{command}\n")
        try:
            yield work
        except BaseException:
            with suppress(OSError):
                remote.remove(WRITING)
            raise
        mirror = Mirror(remote, work)
        mirror.forget()
        mirror.send_all()
        remote.remove(WRITING)
    mirror.forget()
    shutil.rmtree(own)


def check_own_place(out: str | Path, command: str) -> None:
    """Raise where `own_place` would, for whoever wants to know before hours, and make nothing."""
    if not is_remote(out):
        check_own(place_here(out), command)
        return
    remote = RemoteFolder(str(out))
    _check_own(remote, command, remote.stamps())


def check_new_place(out: str | Path, command: str) -> None:
    """Raise where `new_place` would, and make nothing."""
    if is_remote(out):
        _left_by(RemoteFolder(str(out)), command)
        return
    own = place_here(out)
    check_new(own)
    check_own(unfinished(own), command)


def _check_own(remote: RemoteFolder, command: str, names: Iterable[str]) -> None:
    """Raise unless the command may write into a folder elsewhere."""
    owner = remote.text(MARK).strip() if MARK in names else None
    check_owner(remote.address, command, owner, {name.partition("/")[0] for name in names})


def _left_by(remote: RemoteFolder, command: str) -> list[str]:
    """What an interrupted run of the command left in a folder elsewhere, where nothing else may be."""
    names = list(remote.stamps())
    if names and not (WRITING in names and remote.text(WRITING).strip() == command):
        raise FileExistsError(f"{remote.address} exists: choose another folder, or remove it first")
    return names


def shown(out: str | Path) -> str:
    """A folder in full, for whoever reads where the result is."""
    return str(out) if is_remote(out) else str(Path(out).resolve())


def read_with(out: str | Path) -> str:
    """How the pairs of a dataset that was written are read."""
    return f"attnmask train --data {out}" if is_remote(out) else f"load_dataset({str(out)!r})"


def within(out: str | Path, below: Path) -> str | Path:
    """A folder below another, wherever that is."""
    return f"{out}/{below.as_posix()}".removesuffix("/.") if is_remote(out) else Path(out) / below
