"""Do all stages scale? Each over painted pairs by one worker and by two, from when all workers are there.

With one worker this process does the work; of a build, one other refines beside the painter. Torch has one
thread.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.forked_runs import one_thread
from benchmarks.stages.kept_rows import KeptRows, WorkOption
from benchmarks.stages.painted_stages import SIDE, STAGES, PaintedStage, painted, seconds
from benchmarks.stages.worker_starts import awaited_workers
from dataset_builder.engine.options import EngineOptions
from train_segmenter.data.shards import UNNAMED, open_rows


def timed(stage: PaintedStage, data: Path, engine: EngineOptions) -> tuple[float, float]:
    """Seconds until all workers are there, and all others."""
    with awaited_workers() as starts:
        whole = seconds(stage.run, data, engine)
    return sum(starts), whole - sum(starts)


def row(name: str, data: Path, engine: str, repeats: int) -> dict[str, Any]:
    open_rows(str(data), UNNAMED)  # which first of all copies the pairs, for whoever reads them later
    medians = {}
    for workers in (1, 2):
        where = EngineOptions(engine, workers)
        runs = [timed(STAGES[name], data, where) for _ in range(repeats)]
        medians[workers] = [statistics.median(own) for own in zip(*runs, strict=True)]
    (start, work), (start_of_two, work_of_two) = medians[1], medians[2]
    return {
        "stage": name,
        "pairs": int(data.name),
        "start, s, one worker": start,
        "start, s, two": start_of_two,
        "s, one worker": work,
        "s, two": work_of_two,
        "speed-up": work / work_of_two,
    }


def main(
    pairs: Annotated[int | None, typer.Option(help="Instead of some minute's of each stage.")] = None,
    repeats: Annotated[int, typer.Option(help="Of each time, of which the median counts.")] = 3,
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    only: Annotated[list[str] | None, typer.Option(help="A stage; may be repeated.")] = None,
    work: WorkOption = None,
    json: JsonOption = None,
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    settings = {"pairs": pairs, "repeats": repeats, "engine": engine}
    kept = KeptRows(work, settings)
    with one_thread(), tempfile.TemporaryDirectory() as home:

        def measured(name: str) -> dict[str, Any]:
            return row(name, painted(Path(home), pairs or STAGES[name].pairs, SIDE), engine, repeats)

        rows = [kept.row(name, partial(measured, name)) for name in only or STAGES]
    report("Stages by one worker and by two", rows, settings, json)


if __name__ == "__main__":
    typer.run(main)
