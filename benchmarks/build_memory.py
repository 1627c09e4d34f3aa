"""Does memory grow with the dataset? The peak of a build with a painted sampler and the real writer.

    python -m benchmarks.build_memory --pairs 1000 --pairs 100000

Each length is built in a process of its own.
"""

from __future__ import annotations

import tempfile
from typing import Annotated

import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.painted_sampler import PaintedSampler
from benchmarks.stages.peak_memory import own_peak, peak_apart
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
    return own_peak()


def main(
    pairs: Annotated[list[int] | None, typer.Option(help="A length; may be repeated.")] = None,
    shard_size: int = 250,
    side: Annotated[int, typer.Option(help="Of the pictures, in pixels.")] = 32,
    json: JsonOption = None,
    alone: Annotated[int | None, typer.Option(help="One length, in this process.", hidden=True)] = None,
) -> None:
    if alone is not None:
        print(peak_mebibytes(alone, shard_size, side))
        return
    rows: list[dict[str, float]] = []
    for length in pairs or [1000, 100_000]:
        words = ("--alone", length, "--shard-size", shard_size, "--side", side)
        peak = peak_apart("build_memory", *words)
        first = rows[0]["peak MiB"] if rows else peak
        rows.append({"pairs": length, "peak MiB": peak, "of the first": peak / first})
    report("Peak memory of a build", rows, {"shard size": shard_size, "side": side}, json)


if __name__ == "__main__":
    typer.run(main)
