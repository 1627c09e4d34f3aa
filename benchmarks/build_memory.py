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
from benchmarks.stages.peak_memory import beside_first, peak_apart, tell_peak_of
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe, SamplingOptions


def built_alone(pairs: int, shard_size: int, side: int) -> None:
    recipe = Recipe(
        "tiny-world",
        pairs=pairs,
        shard_size=shard_size,
        sampling=SamplingOptions(batch_size=16),
        image_format="jpeg",
    )
    with tempfile.TemporaryDirectory() as folder:
        engine = EngineOptions(workers=0)
        sampler = PaintedSampler(side=side)
        tell_peak_of(lambda: build(recipe, folder, engine, make_sampler=sampler, show_progress=False))


def main(
    pairs: Annotated[list[int] | None, typer.Option(help="A length; may be repeated.")] = None,
    shard_size: int = 250,
    side: Annotated[int, typer.Option(help="Of the pictures, in pixels.")] = 32,
    json: JsonOption = None,
    alone: Annotated[int | None, typer.Option(help="One length, in this process.", hidden=True)] = None,
) -> None:
    if alone is not None:
        built_alone(alone, shard_size, side)
        return
    words = ("--shard-size", shard_size, "--side", side)
    numbers = pairs or [1000, 100_000]
    peaks = [peak_apart("build_memory", "--alone", own, *words) for own in numbers]
    rows = [
        {"pairs": own, **beside_first(found, peaks[0])} for own, found in zip(numbers, peaks, strict=True)
    ]
    report("Peak memory of a build", rows, {"shard size": shard_size, "side": side}, json)


if __name__ == "__main__":
    typer.run(main)
