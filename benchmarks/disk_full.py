"""Does a command whose disk is full say so, lose nothing, and go on when there is room?

    python -m benchmarks.disk_full --fills 50 --json disk_full.json

Each command that writes runs on a disk with room for a random number of bytes; then with room for all, in
the same folder. The first must end with one line and exit code 1, leave what it read as it was, and no hidden
file of its own; the second must leave the files of a run that was never short of room. The disk is a tmpfs,
which root may mount; `--by limit` needs no such right: no file may then grow over a random number of bytes.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.fault_stages import Material, all_stages
from benchmarks.stages.forked_runs import (
    Ended,
    Stage,
    contents,
    different,
    leftovers,
    one_thread,
    run_apart,
    run_to_the_end,
)
from benchmarks.stages.full_disks import Limit, Tmpfs, full_disk
from benchmarks.stages.kept_rows import KeptRows, WorkOption
from diffusers_attnmask.cli_errors import FAULT


def filled_over_and_over(
    stage: Stage, disk: Tmpfs | Limit, read: Path, fills: int, seed: int
) -> dict[str, Any]:
    """Run a stage with too little room, then with enough, until `fills` runs have found none. `read`: what it
    reads, which must stay as it is."""
    rng, started = random.Random(seed), time.monotonic()
    out = disk.home / "shapes"
    disk.ample()
    run_to_the_end(stage, out)
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
            faults |= dict.fromkeys(faults_of(ended, disk.home), f"room {room}")
            disk.ample()
            run_to_the_end(stage, out)
        for name in different(expected, contents(disk.home)):
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


def faults_of(ended: Ended, home: Path) -> Iterator[str]:
    """What is wrong with how a run ended that had no room."""
    line = ended.said.splitlines()[-1] if ended.said else ""
    if ended.code != FAULT or not line.startswith("attnmask: ") or "unexpected" in line:
        yield f"said {ended.code}: {line}"
    if hidden := leftovers(home):
        yield f"left {', '.join(hidden)}"


def main(
    fills: Annotated[int, typer.Option(min=1, help="Runs of each command that find the disk full.")] = 50,
    by: Annotated[Literal["tmpfs", "limit"], typer.Option(help="What there is too little of.")] = "tmpfs",
    only: Annotated[list[str] | None, typer.Option(help="A command; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Of the room that there is.")] = 0,
    work: WorkOption = None,
    json: JsonOption = None,
) -> None:
    rows, settings = [], {"fills": fills, "by": by, "seed": seed}
    kept = KeptRows(work, settings)
    with tempfile.TemporaryDirectory() as name, one_thread():
        read = Path(name) / "read"
        read.mkdir()
        stages = all_stages(Material.make(read))
        for stage in stages:
            if only and stage.name not in only:
                continue
            with full_disk(Path(name) / "disk", by) as disk:
                filled = partial(filled_over_and_over, stage, disk, read, fills, seed)
                rows.append(kept.row(stage.name, filled))
            shutil.rmtree(disk.home)
    shown = [{key: value for key, value in row.items() if key != "list"} for row in rows]
    report("A full disk, then room", shown, settings, json)
    raise SystemExit(any(row["faults"] for row in rows))


if __name__ == "__main__":
    typer.run(main)
