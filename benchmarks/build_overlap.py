"""Does refinement beside sampling cost time? Builds with a sampler of known speed, serially and with a pool.

    python -m benchmarks.build_overlap

The sampler sleeps, as a processor that waits for a GPU does; refinement is the real CRF. With a pool the
build should take as long as the slower of the two, without one as long as both.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from typing import Annotated

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe, Refinement, SamplingOptions


def seconds(recipe: Recipe, workers: int, sampler: PaintedSampler) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        build(recipe, folder, EngineOptions(workers=workers), make_sampler=sampler, show_progress=False)
        return time.perf_counter() - started


def main(
    pairs: int = 48,
    side: Annotated[int, typer.Option(help="Of the pictures, in pixels.")] = 256,
    workers: Annotated[int, typer.Option(min=1, help="That refine.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Builds of each kind.")] = 3,
    json: JsonOption = None,
) -> None:
    none = Recipe("tiny-world", pairs=pairs, shard_size=pairs, sampling=SamplingOptions(batch_size=4))
    refining = replace(none, refinement=Refinement("match"))
    idle = PaintedSampler(side=side)
    start = seconds(replace(none, pairs=1), workers, idle)  # what a pool costs once
    refinement = seconds(refining, 0, idle)
    sampler = replace(idle, seconds=refinement / pairs)  # both sides equally long: the hardest case
    serial, pooled = [], []
    for _ in range(repeats):
        serial.append(seconds(refining, 0, sampler))
        pooled.append(seconds(refining, workers, sampler) - start)
    rows = [
        {
            "build": "sampling or refinement alone",
            "seconds": refinement,
            "of serial": refinement / min(serial),
        },
        {"build": "one after the other", "seconds": statistics.median(serial), "of serial": 1.0},
        {
            "build": f"beside each other, {workers} workers",
            "seconds": statistics.median(pooled),
            "of serial": statistics.median(pooled) / statistics.median(serial),
        },
    ]
    settings = {"pairs": pairs, "side": side, "repeats": repeats, "pool start, seconds (taken off)": start}
    report("Sampling and refinement overlapped", rows, settings, json)


if __name__ == "__main__":
    typer.run(main)
