"""Does a killed command, run again, end with the same bytes? Kills real ones at random moments.

    python -m benchmarks.kill_resume --kills 200 --json kill_resume.json

A run is killed by SIGINT, SIGTERM or SIGKILL at a random moment and run again, which goes on in the same
folder or begins anew, as the command does, until one has ended: every file must then be as after a run that
nobody disturbed. Then the folder is removed, and so on until so many runs have died.
"""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.fault_stages import Material, long_stages
from benchmarks.stages.forked_runs import Stage, contents, different, one_thread, run_apart, run_to_the_end
from benchmarks.stages.kept_rows import KeptRows, WorkOption
from diffusers_attnmask.cli_errors import STOPPED

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def killed_over_and_over(
    stage: Stage, home: Path, kills: int, seed: int, signals: Sequence[signal.Signals] = SIGNALS
) -> dict[str, Any]:
    """Kill runs of a stage until `kills` have died, and compare what each ends with that ends after all.

    Everything happens in one and the same folder, since cards tell its name.
    """
    rng, started = random.Random(seed), time.monotonic()
    out = home / "shapes"
    undisturbed = run_to_the_end(stage, out)
    longest = run_seconds = undisturbed.seconds
    expected = contents(home)
    shutil.rmtree(out)
    died, resumed, differing = 0, 0, set[str]()
    touched = False  # whether a run has died in the folder that is there
    while died < kills or touched:
        moment = (rng.uniform(0, longest), rng.choice(signals)) if died < kills else None
        ended = run_apart(stage, out, killed=moment)
        complete = ended.code == 0
        if ended.code in (None, STOPPED):
            died, touched = died + 1, True
            complete = stage.whole and out.exists()  # it died in its last words
        elif ended.code:
            raise RuntimeError(f"{stage.name} did not go on after a kill: {ended.said}")
        if complete:
            differing |= different(expected, contents(home))
            resumed += touched
            longest = 0.5 * (longest + 1.1 * ended.seconds)  # the machine may have become busier, or idle
            shutil.rmtree(out)
            touched = False
    return {
        "command": stage.name,
        "kills": died,
        "ended after kills": resumed,
        "files": len(expected),
        "different files": len(differing),
        "seconds of a run": run_seconds,
        "seconds": time.monotonic() - started,
        "names": sorted(differing),
    }


def main(
    kills: Annotated[int, typer.Option(min=1, help="Of each command.")] = 200,
    only: Annotated[list[str] | None, typer.Option(help="A command to kill; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Of moments and signals.")] = 0,
    work: WorkOption = None,
    json: JsonOption = None,
) -> None:
    rows, settings = [], {"kills": kills, "seed": seed}
    kept = KeptRows(work, settings)
    with tempfile.TemporaryDirectory() as name, one_thread():
        material = Material.make(Path(name))
        for stage in long_stages(material):
            if only and stage.name not in only:
                continue
            home = Path(name) / stage.name
            home.mkdir()
            rows.append(kept.row(stage.name, partial(killed_over_and_over, stage, home, kills, seed)))
    shown = [{key: value for key, value in row.items() if key != "names"} for row in rows]
    report("Killed and run again", shown, settings, json)
    raise SystemExit(any(row["names"] for row in rows))


if __name__ == "__main__":
    typer.run(main)
