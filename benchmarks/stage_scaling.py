"""Do all stages scale, and stay small? One against two workers, and the driver's memory over many pairs.

    python -m benchmarks.stage_scaling --pairs 32 544 --repeats 3
    python -m benchmarks.stage_scaling --repeats 0 --memory 1000 100000

The first part runs each stage on few painted pairs and on many (judges: for few and for many steps). What
the few take is starting: processes, libraries, the opened data. The speed-up is that of the difference. The
second part runs each stage with two workers on pairs of 32 x 32, in a process of its own, since a process
never gives memory back, and tells the peak of that process alone, not of its workers. Torch has one thread.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.fault_stages import TRAINING
from benchmarks.forked_runs import one_thread
from benchmarks.painted_sampler import PaintedSampler
from benchmarks.report import report
from dataset_builder.augmentation.run import augment_dataset
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.export.convert import ExportOptions, convert
from dataset_builder.hub.card import write_card
from dataset_builder.noise.options import FilterRun
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.run import filter_dataset
from dataset_builder.recipe import Recipe, Refinement, SamplingOptions
from dataset_builder.refinement.run import RefineRun, refine_dataset
from dataset_builder.report.collect import ReportOptions
from dataset_builder.report.run import report_dataset
from diffusers_attnmask.ground.options import read_options
from train_segmenter.training.options import TrainingRecipe

SIDE, SMALL_SIDE = 128, 32  # pixels, of pairs that are timed and of pairs that are many
FEW_STEPS, MANY_STEPS = 4, 64  # of judges
KEEP_ALL = PruneOptions({"default": 0.0})

Run = Callable[[Path, Path, EngineOptions], object]  # of data, of the folder to write, of an engine


def filtering(steps: int) -> Run:
    judges = read_options(TrainingRecipe, TRAINING, "judges")
    run = FilterRun(
        recipe=judges, changes={"steps": steps}, pretrained="none", folds=2, crop=32, prune=KEEP_ALL
    )
    return lambda data, out, engine: filter_dataset(data, out, run, engine, progress=False)


def refining(data: Path, out: Path, engine: EngineOptions) -> object:
    return refine_dataset(data, out, RefineRun(method="crf"), engine, progress=False)


def augmenting(data: Path, out: Path, engine: EngineOptions) -> object:
    return augment_dataset(data, out, None, engine, progress=False)


def exporting(to: str) -> Run:
    return lambda data, out, engine: convert(str(data), out, ExportOptions(to), engine)


def reporting(data: Path, out: Path, engine: EngineOptions) -> object:
    return report_dataset(str(data), out / "report.html", ReportOptions(progress=False), engine)


def building(data: Path, out: Path, engine: EngineOptions) -> object:
    """Pairs like those of the data, refined by the CRF."""
    pairs = int(data.name)
    recipe = replace(painted_recipe(pairs), refinement=Refinement("crf"))
    return build(recipe, out, engine, make_sampler=PaintedSampler(side=SIDE), show_progress=False)


JUDGES = "judges of filter"
STAGES: Mapping[str, Run] = {
    "build": building,
    "refine": refining,
    "filter": filtering(FEW_STEPS),
    "augment": augmenting,
    "export to coco": exporting("coco"),
    "export to dataset": exporting("dataset"),
    "report": reporting,
}


def painted_recipe(pairs: int) -> Recipe:
    sampling = SamplingOptions(batch_size=16)
    return Recipe("tiny-world", pairs=pairs, shard_size=250, maps=True, sampling=sampling)


def painted(home: Path, pairs: int, side: int) -> Path:
    """A dataset in a folder that is named for its number of pairs."""
    folder = home / str(pairs)
    sampler = PaintedSampler(side=side)
    build(painted_recipe(pairs), folder, EngineOptions(workers=0), make_sampler=sampler, show_progress=False)
    write_card(folder)
    return folder


def seconds(run: Run, data: Path, engine: EngineOptions) -> float:
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        run(data, Path(home) / "out", engine)
        return time.perf_counter() - started


def scaling(stages: Sequence[str], few: Path, many: Path, engine: str, repeats: int) -> list[dict[str, Any]]:
    works = {name: (run, few, run, many) for name, run in STAGES.items()}
    works[JUDGES] = (filtering(FEW_STEPS), few, filtering(MANY_STEPS), few)
    rows = []
    for name in stages:
        begun, start, run, data = works[name]
        starts, beyond = {}, {}
        for workers in (1, 2):
            where = EngineOptions(engine, workers)
            starts[workers] = statistics.median(seconds(begun, start, where) for _ in range(repeats))
            whole = statistics.median(seconds(run, data, where) for _ in range(repeats))
            beyond[workers] = whole - starts[workers]
        rows.append(
            {
                "stage": name,
                "pairs beyond the few": int(data.name) - int(start.name),
                "start, s, one worker": starts[1],
                "start, s, two": starts[2],
                "s, one worker": beyond[1],
                "s, two": beyond[2],
                "speed-up": beyond[1] / beyond[2],
            }
        )
        print(rows[-1], flush=True)
    return rows


def peaks(stages: Sequence[str], data: Mapping[int, Path]) -> list[dict[str, Any]]:
    rows = []
    for name in stages:
        if name in ("build", JUDGES):  # benchmarks/build_memory.py, and what filter does anyway
            continue
        found: list[float] = []
        for pairs, folder in data.items():
            command = [sys.executable, "-m", "benchmarks.stage_scaling", "--alone", name, "--data", folder]
            peak = float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            found.append(peak)
            rows.append({"stage": name, "pairs": pairs, "driver MiB": peak, "of the first": peak / found[0]})
            print(rows[-1], flush=True)
    return rows


def alone(name: str, data: Path) -> float:
    """The peak of this process in MiB, where two others do a stage."""
    seconds(STAGES[name], data, EngineOptions(workers=2))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(
    pairs: Annotated[tuple[int, int], typer.Option(help="Few, and many.")] = (32, 544),
    repeats: Annotated[int, typer.Option(help="Of each time; 0 leaves them out.")] = 3,
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    memory: Annotated[tuple[int, int], typer.Option(help="Pairs; 0 0 leaves it out.")] = (0, 0),
    only: Annotated[list[str] | None, typer.Option(help="A stage; may be repeated.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the rows here.")] = None,
    name: Annotated[str | None, typer.Option("--alone", hidden=True)] = None,
    data: Annotated[Path, typer.Option(hidden=True)] = Path(),
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    stages = [own for own in (*STAGES, JUDGES) if not only or own in only]
    with one_thread(), tempfile.TemporaryDirectory() as home:
        if name is not None:
            print(alone(name, data))
            return
        if repeats:
            few, many = (painted(Path(home), own, SIDE) for own in pairs)
            report(
                "Stages by one worker and by two",
                scaling(stages, few, many, engine, repeats),
                {"pairs": pairs, "repeats": repeats, "engine": engine},
                json,
            )
        if any(memory):
            small = {own: painted(Path(home) / "small", own, SMALL_SIDE) for own in memory}
            path = json and json.with_stem(f"{json.stem}_memory")
            report("Peak memory of the driver", peaks(stages, small), {"pairs": memory}, path)


if __name__ == "__main__":
    typer.run(main)
