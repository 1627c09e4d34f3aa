"""Does the Ray engine scale, and stay small? One against two workers, then many shards from one driver.

    python -m benchmarks.ray_scaling --pairs 64 --shards 10000

The first part samples with the bundled model, one thread per worker; the second paints, and watches the
driver's memory and the time per shard along the way.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.painted_sampler import PaintedSampler
from benchmarks.report import report
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pairs", type=int, default=64, help="sampled with the bundled model; 0 leaves it out"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shards", type=int, default=10_000, help="painted; 0 leaves it out")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = scaling(arguments.pairs, arguments.repeats) if arguments.pairs else []
    rows += many_shards(arguments.shards) if arguments.shards else []
    report("The Ray engine", rows, vars(arguments), arguments.json)


if __name__ == "__main__":
    main()
