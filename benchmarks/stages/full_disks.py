"""Disks that have too little room: a tmpfs, which root may mount, or a limit on the size of files."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

AMPLE = 2**28
PAGE = 4096  # what a tmpfs gives room by


@dataclass(frozen=True)
class Tmpfs:
    """A disk of its own at `home`, whose size changes from run to run."""

    home: Path

    def shrunk(self, room: int) -> Callable[[], None]:
        """What a child does before it runs within this room."""
        self.resize(room // PAGE * PAGE or PAGE)
        return lambda: None

    def ample(self) -> None:
        self.resize(AMPLE)

    def resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.home)], check=True)

    def rooms(self, files: list[int]) -> int:
        """The most bytes that a run is allowed, in which it may just have room enough."""
        return sum(-(-size // PAGE) * PAGE for size in files)


@dataclass(frozen=True)
class Limit:
    """A limit on the size of each file that a run writes."""

    home: Path

    def shrunk(self, room: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    def ample(self) -> None:
        """The limit was the child's."""

    def rooms(self, files: list[int]) -> int:
        return max(files)


@contextmanager
def full_disk(home: Path, by: str) -> Iterator[Tmpfs | Limit]:
    home.mkdir()
    if by == "limit":
        yield Limit(home)
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={AMPLE}", "tmpfs", str(home)], check=True)
    try:
        yield Tmpfs(home)
    finally:
        subprocess.run(["umount", str(home)], check=True)
