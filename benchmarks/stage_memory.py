"""Do all stages stay small? The driver's peak memory over few pairs and over many, with two workers.

Each stage runs in a process of its own over pairs of 16 x 16; what is told is the peak of that process alone,
not of its workers. Builds have `build_memory`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.forked_runs import one_thread
from benchmarks.stages.painted_stages import STAGES, painted, refining, seconds
from benchmarks.stages.peak_memory import own_peak, peak_apart
from dataset_builder.engine.options import EngineOptions

SIDE = 16  # pixels
RUNS = {name: own.run for name, own in STAGES.items() if name not in ("build", "judges of filter")}
RUNS["refine"] = refining("none")  # whatever workers do to a mask, it comes back as large


def peaks(stages: Sequence[str], data: Mapping[int, Path]) -> list[dict[str, Any]]:
    rows = []
    for name in stages:
        first = None
        for pairs, folder in data.items():
            peak = peak_apart("stage_memory", "--alone", name, "--data", folder)
            first = first or peak
            rows.append({"stage": name, "pairs": pairs, "driver MiB": peak, "of the first": peak / first})
            print(rows[-1], flush=True)
    return rows


def alone(name: str, data: Path) -> float:
    """The peak of this process in MiB, where two others do a stage."""
    seconds(RUNS[name], data, EngineOptions(workers=2))
    return own_peak()


def main(
    pairs: Annotated[list[int] | None, typer.Option(help="Pairs of a dataset. Repeatable.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A stage; may be repeated.")] = None,
    json: JsonOption = None,
    name: Annotated[str | None, typer.Option("--alone", hidden=True)] = None,
    data: Annotated[Path, typer.Option(hidden=True)] = Path(),
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    with one_thread():
        if name is not None:
            print(alone(name, data))
            return
        numbers = pairs or [1000, 100_000]
        with tempfile.TemporaryDirectory() as home:
            folders = {own: painted(Path(home), own, SIDE) for own in numbers}
            rows = peaks(only or list(RUNS), folders)
        report("Peak memory of the driver", rows, {"pairs": numbers, "side": SIDE}, json)


if __name__ == "__main__":
    typer.run(main)
