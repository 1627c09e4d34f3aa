"""Copies of remote folders on this machine, of which a file is fetched or sent only where it has changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock
from huggingface_hub import constants

from diffusers_attnmask.ground.atomic_files import PARTIAL, files_below, replacing
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.own_folder import LOCK, MARK, UNFINISHED
from diffusers_attnmask.ground.remote import RemoteFolder, StorageFault, is_remote

THREADS = 8  # files on their way at once
FETCHED = "fetched"  # of the cache: what data were read from
RECORD = "files.jsonl"  # beside a copy: which file is the same as which there
WRITING = f"{MARK}{UNFINISHED}"  # in a remote folder that a command has not finished: its name


def fetched(word: str | Path) -> str:
    """A folder or a Hub name as it is; for the address of a remote folder its copy here, up to date."""
    if not is_remote(word):
        return str(word)
    mirror = Mirror(RemoteFolder(str(word)), copy_of(str(word), FETCHED))
    mirror.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(mirror.record.with_suffix(".lock")):  # of several processes one fetches
        mirror.fetch()
    return str(mirror.folder)


def copy_of(address: str, purpose: str) -> Path:
    """Where a remote folder's copy for a purpose lies, under the folder's own name."""
    address = address.rstrip("/")
    home = Path(constants.HF_HOME) / "attnmask" / purpose / sha256(address.encode()).hexdigest()[:16]
    return home / address.rpartition("/")[2]


@dataclass(frozen=True)
class Mirror:
    """A remote folder and its copy, whose files are known to be the same until either side changes."""

    remote: RemoteFolder
    folder: Path

    @property
    def record(self) -> Path:
        return self.folder.parent / RECORD

    def fetch(self) -> None:
        """Make the copy what is there; files that never were there stay."""
        stamps = self.remote.stamps()
        if not stamps:
            raise StorageFault(f"there is no file in {self.remote.address}")
        if WRITING in stamps:
            command = self.remote.text(WRITING).strip()
            raise StorageFault(
                f"{self.remote.address} is not complete: run the attnmask {command} that writes it once more"
            )
        self.restore(stamps)

    def restore(self, stamps: Mapping[str, str]) -> None:
        """The same, of what is known to be there."""
        for name in self.known.keys() - stamps.keys():
            (self.folder / name).unlink(missing_ok=True)
            del self.known[name]
        missing = [name for name, stamp in stamps.items() if not self._same(name, stamp)]

        def fetch(name: str) -> None:
            with replacing(self.folder / name) as file:
                self.remote.get(name, file)
            self._note(name, stamps[name])

        at_once(fetch, missing, f"fetching {self.remote.address}")

    def send(self, file: Path) -> None:
        """Put a file of the copy there, unless it is there already."""
        name = file.relative_to(self.folder).as_posix()
        if name in self.known and self.known[name][1:] == facts(file):
            return
        self.remote.put(file, name)
        self._note(name, self.remote.stamp(name))

    def send_all(self) -> None:
        """Make the folder there what the copy is."""
        at_once(self.send, own_files(self.folder), f"sending {self.remote.address}")

        for name in [name for name in self.known if not (self.folder / name).is_file()]:
            self.remote.remove(name)
            del self.known[name]

    @cached_property
    def known(self) -> dict[str, list[Any]]:
        """By name: the stamp there, and size and time of change here."""
        if not self.record.is_file():
            return {}
        lines = self.record.read_text(encoding="utf-8").splitlines(keepends=True)
        return dict(json.loads(line) for line in lines if line.endswith("\n"))

    def forget(self) -> None:
        """Whatever was the same may have changed."""
        self.known.clear()
        self.record.unlink(missing_ok=True)

    def _same(self, name: str, stamp: str) -> bool:
        file = self.folder / name
        return file.is_file() and self.known.get(name) == [stamp, *facts(file)]

    def _note(self, name: str, stamp: str) -> None:
        self.known[name] = [stamp, *facts(self.folder / name)]
        with self.record.open("a", encoding="utf-8") as record:
            record.write(json.dumps([name, self.known[name]]) + "\n")


def facts(file: Path) -> list[int]:
    state = os.stat(file)
    return [state.st_size, state.st_mtime_ns]


def own_files(folder: Path) -> list[Path]:
    """The files of a folder, but for the lock and what is not whole."""
    return [
        path
        for path in files_below(folder)
        if path.name != LOCK and not any(part.startswith(PARTIAL) for part in path.relative_to(folder).parts)
    ]


def at_once(work: Callable[[Any], None], things: Iterable[Any], told: str) -> None:
    """Do a work for some things at a time; the first error ends it."""
    things = list(things)
    pool = ThreadPoolExecutor(THREADS)
    try:
        done = pool.map(work, things)
        for _ in bar(done, told, len(things), unit="file", shown=bool(things), passing=True):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
