"""Does a command whose disk is full say so, lose nothing, and go on when there is room?

    python -m benchmarks.disk_full --fills 50 --json disk_full.json

Each command that writes runs on a disk with room for a random number of bytes; then with room for all, in
the same folder. The first must end with one line and exit code 1, leave what it read as it was, and no hidden
file of its own; the second must leave the files of a run that was never short of room. The disk is a tmpfs,
which root may mount; `--by limit` needs no such right: no file may then grow over a random number of bytes.
"""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.fault_stages import Material, all_stages
from benchmarks.stages.forked_runs import Ended, Stage, contents, leftovers, one_thread, run_apart
from diffusers_attnmask.cli_errors import FAULT

AMPLE = 2**28
PAGE = 4096  # what a tmpfs gives room by


@dataclass(frozen=True)
class Tmpfs:
    """A disk of its own at `home`, whose size changes from run to run."""

    home: Path

    def shrunk(self, room: int) -> Callable[[], None]:
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


def filled_over_and_over(
    stage: Stage, disk: Tmpfs | Limit, read: Path, fills: int, seed: int
) -> dict[str, Any]:
    """Run a stage with too little room, then with enough, until `fills` runs have found none. `read`: what it
    reads, which must stay as it is."""
    rng, started = random.Random(seed), time.monotonic()
    out = disk.home / "shapes"
    disk.ample()
    succeeded(stage, run_apart(stage, out))
    expected, source = contents(disk.home), contents(read)
    most = disk.rooms([path.stat().st_size for path in out.rglob("*") if path.is_file()])
    faults: dict[str, str] = {}
    full = fitted = 0
    while full < fills and fitted < 4 * fills + 20:
        shutil.rmtree(out, ignore_errors=True)
        room = rng.randrange(most)
        ended = run_apart(stage, out, within=disk.shrunk(room))
        if ended.code == 0:
            fitted += 1
        else:
            full += 1
            line = ended.said.splitlines()[-1] if ended.said else ""
            if ended.code != FAULT or not line.startswith("attnmask: ") or "unexpected" in line:
                faults[f"said {ended.code}: {line}"] = f"room {room}"
            if hidden := leftovers(disk.home):
                faults[f"left {', '.join(hidden)}"] = f"room {room}"
            disk.ample()
            succeeded(stage, run_apart(stage, out))
        found = contents(disk.home)
        for name in {*expected, *found}:
            if expected.get(name) != found.get(name):
                faults[f"{name} differs"] = f"room {room}"
    if contents(read) != source:
        faults["what was read has changed"] = ""
    return {
        "command": stage.name,
        "full": full,
        "had room": fitted,
        "files": len(expected),
        "faults": len(faults),
        "seconds": time.monotonic() - started,
        "list": faults,
    }


def succeeded(stage: Stage, ended: Ended) -> None:
    if ended.code != 0:
        raise RuntimeError(f"{stage.name} does not run where there is room: {ended.said}")


def main(
    fills: Annotated[int, typer.Option(min=1, help="Runs of each command that find the disk full.")] = 50,
    by: Annotated[Literal["tmpfs", "limit"], typer.Option(help="What there is too little of.")] = "tmpfs",
    only: Annotated[list[str] | None, typer.Option(help="A command; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Of the room that there is.")] = 0,
    json: JsonOption = None,
) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name, one_thread():
        read = Path(name) / "read"
        read.mkdir()
        stages = all_stages(Material.make(read))
        for stage in stages:
            if only and stage.name not in only:
                continue
            with full_disk(Path(name) / "disk", by) as disk:
                rows.append(filled_over_and_over(stage, disk, read, fills, seed))
            shutil.rmtree(disk.home)
            print(rows[-1], flush=True)
    shown = [{key: value for key, value in row.items() if key != "list"} for row in rows]
    report("A full disk, then room", shown, {"fills": fills, "by": by, "seed": seed}, json)
    raise SystemExit(any(row["faults"] for row in rows))


if __name__ == "__main__":
    typer.run(main)
