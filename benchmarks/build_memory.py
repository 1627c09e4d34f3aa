"""Does memory grow with the dataset? The peak of a build with a painted sampler and the real writer.

    python -m benchmarks.build_memory --pairs 1000 100000

Each length is built in a process of its own, since a process never gives all memory back.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.painted_sampler import PaintedSampler
from benchmarks.report import report
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe, SamplingOptions


def peak_mebibytes(pairs: int, shard_size: int, side: int) -> float:
    recipe = Recipe(
        "tiny-world",
        pairs=pairs,
        shard_size=shard_size,
        sampling=SamplingOptions(batch_size=16),
        image_format="jpeg",
    )
    with tempfile.TemporaryDirectory() as folder:
        engine = EngineOptions(workers=0)
        build(recipe, folder, engine, make_sampler=PaintedSampler(side=side), show_progress=False)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--shard-size", type=int, default=250)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)  # one length, in this process
    arguments = parser.parse_args()
    if arguments.alone:
        print(peak_mebibytes(arguments.alone, arguments.shard_size, arguments.side))
        return
    rows = []
    for pairs in arguments.pairs:
        command = [sys.executable, "-m", "benchmarks.build_memory", "--alone", str(pairs)]
        command += ["--shard-size", str(arguments.shard_size), "--side", str(arguments.side)]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(
            {
                "pairs": pairs,
                "peak MiB": peak,
                "of the first": peak / (rows or [{"peak MiB": peak}])[0]["peak MiB"],
            }
        )
    report("Peak memory of a build", rows, vars(arguments), arguments.json)


if __name__ == "__main__":
    main()
