"""Does refinement beside sampling cost time? Builds with a sampler of known speed, serially and with a pool.

    python -m benchmarks.build_overlap

The sampler sleeps, as a processor that waits for a GPU does; refinement is the real CRF. With a pool the
build should take as long as the slower of the two, without one as long as both.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.painted_sampler import PaintedSampler
from benchmarks.report import report
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe, Refinement, SamplingOptions


def seconds(recipe: Recipe, workers: int, sampler: PaintedSampler) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        build(recipe, folder, EngineOptions(workers=workers), make_sampler=sampler, show_progress=False)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    none = Recipe(
        "tiny-world",
        pairs=arguments.pairs,
        shard_size=arguments.pairs,
        sampling=SamplingOptions(batch_size=4),
    )
    refining = replace(none, refinement=Refinement("match"))
    idle = PaintedSampler(side=arguments.side)
    start = seconds(replace(none, pairs=1), arguments.workers, idle)  # what a pool costs once
    refinement = seconds(refining, 0, idle)
    sampler = replace(idle, seconds=refinement / arguments.pairs)  # both sides equally long: the hardest case
    serial, pooled = [], []
    for _ in range(arguments.repeats):
        serial.append(seconds(refining, 0, sampler))
        pooled.append(seconds(refining, arguments.workers, sampler) - start)
    rows = [
        {
            "build": "sampling or refinement alone",
            "seconds": refinement,
            "of serial": refinement / min(serial),
        },
        {"build": "one after the other", "seconds": statistics.median(serial), "of serial": 1.0},
        {
            "build": f"beside each other, {arguments.workers} workers",
            "seconds": statistics.median(pooled),
            "of serial": statistics.median(pooled) / statistics.median(serial),
        },
    ]
    settings = vars(arguments) | {"pool start, seconds (taken off)": start}
    report("SamplingOptions and refinement overlapped", rows, settings, arguments.json)


if __name__ == "__main__":
    main()
