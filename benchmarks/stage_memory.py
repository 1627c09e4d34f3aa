"""Do all stages stay small? The driver's peak memory over few pairs and over many, with two workers.

Each stage runs in a process of its own over pairs of 16 x 16; what is told is the peak of that process alone,
not of its workers: with all pages, and without those of mapped files. Builds have `build_memory`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.forked_runs import one_thread
from benchmarks.stages.kept_rows import KeptRows, WorkOption
from benchmarks.stages.painted_stages import STAGES, painted, refining, seconds
from benchmarks.stages.peak_memory import beside_first, peak_apart, tell_peak_of
from dataset_builder.engine.options import EngineOptions

SIDE = 16  # pixels
RUNS = {name: own.run for name, own in STAGES.items() if name not in ("build", "judges of filter")}
RUNS["refine"] = refining("none")  # whatever workers do to a mask, it comes back as large


def peaks(stages: Sequence[str], data: Mapping[int, Path], kept: KeptRows) -> Iterator[dict[str, Any]]:
    for name in stages:
        rows = [
            kept.row(f"{name}, {pairs}", partial(weighed, name, pairs, folder))
            for pairs, folder in data.items()
        ]
        for own in rows:
            yield {"stage": name, "pairs": own["pairs"], **beside_first(own["peak"], rows[0]["peak"])}


def weighed(name: str, pairs: int, data: Path) -> dict[str, Any]:
    return {"pairs": pairs, "peak": peak_apart("stage_memory", "--alone", name, "--data", data)}


def alone(name: str, data: Path) -> None:
    """Tells the peak of this process, where two others do a stage."""
    tell_peak_of(lambda: seconds(RUNS[name], data, EngineOptions(workers=2)))


def main(
    pairs: Annotated[list[int] | None, typer.Option(help="Pairs of a dataset. Repeatable.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="A stage; may be repeated.")] = None,
    work: WorkOption = None,
    json: JsonOption = None,
    name: Annotated[str | None, typer.Option("--alone", hidden=True)] = None,
    data: Annotated[Path, typer.Option(hidden=True)] = Path(),
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    with one_thread():
        if name is not None:
            alone(name, data)
            return
        numbers = pairs or [1000, 100_000]
        settings = {"pairs": numbers, "side": SIDE}
        with tempfile.TemporaryDirectory() as home:
            folders = {own: painted(Path(home), own, SIDE) for own in numbers}
            rows = list(peaks(only or list(RUNS), folders, KeptRows(work, settings)))
        report("Peak memory of the driver", rows, settings, json)


if __name__ == "__main__":
    typer.run(main)
