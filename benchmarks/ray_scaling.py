"""Does the Ray engine scale, and stay small? One against two workers, then many shards from one driver.

    python -m benchmarks.ray_scaling --pairs 64 --shards 10000

The first part samples with the bundled model, one thread per worker; the second paints, and watches the
driver's memory and the time per shard along the way.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import psutil
import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.run import build
from dataset_builder.engine.cluster import LOOPBACK_ONLY
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe, SamplingOptions

TINY = Recipe("tiny-world", shard_size=4, sampling=SamplingOptions(steps=10, batch_size=4, threads=1))


def scaling(pairs: int, repeats: int) -> list[dict]:
    """Seconds of shards between the first and the last, so that starting the workers does not count."""
    os.environ.setdefault(*LOOPBACK_ONLY)
    import ray

    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repeats):
        for workers, seconds in found.items():
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            done: list[float] = []
            with tempfile.TemporaryDirectory() as folder:
                build(
                    replace(TINY, pairs=pairs),
                    folder,
                    EngineOptions("ray", workers),
                    show_progress=False,
                    on_shard=lambda path, done=done: done.append(time.perf_counter()),
                )
            ray.shutdown()
            steady = done[workers:]  # each worker's first shard loads the model
            seconds.append((steady[-1] - steady[0]) / (len(steady) - 1))
    single = statistics.median(found[1])
    return [
        {
            "workers": workers,
            "seconds per shard": statistics.median(own),
            "speed-up": single / statistics.median(own),
        }
        for workers, own in found.items()
    ]


def many_shards(shards: int) -> list[dict]:
    """Memory of this process and seconds per shard, at tenths of the way."""
    recipe = Recipe("tiny-world", pairs=2 * shards, shard_size=2, sampling=SamplingOptions(batch_size=2))
    me, rows, started = psutil.Process(), [], time.perf_counter()
    count = 0

    def watch(path: Path) -> None:
        nonlocal count, started
        count += 1
        if count % max(1, shards // 10) == 0:
            now = time.perf_counter()
            rows.append(
                {
                    "shards": count,
                    "driver MiB": me.memory_info().rss / 2**20,
                    "ms per shard": 1000 * (now - started) / max(1, shards // 10),
                }
            )
            started = now

    with tempfile.TemporaryDirectory() as folder:
        engine = EngineOptions("ray", 2)
        build(
            recipe, folder, engine, make_sampler=PaintedSampler(side=8), show_progress=False, on_shard=watch
        )
    return rows


def main(
    pairs: Annotated[int, typer.Option(help="Sampled with the bundled model; 0 leaves it out.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Of each number of workers.")] = 3,
    shards: Annotated[int, typer.Option(help="Painted; 0 leaves it out.")] = 10_000,
    json: JsonOption = None,
) -> None:
    rows = scaling(pairs, repeats) if pairs else []
    rows += many_shards(shards) if shards else []
    report("The Ray engine", rows, {"pairs": pairs, "repeats": repeats, "shards": shards}, json)


if __name__ == "__main__":
    typer.run(main)
