"""What does a build cost beyond sampling its pictures and writing them? Processor seconds of one process.

    python -m benchmarks.build_overhead

The sampler of the bundled model is loaded once. `datasets alone` draws the same prompts with the same seeds
and gives the pairs to `datasets`, which writes them as Parquet; a build draws and writes them as shards, with
its checks and its manifest. Both in turns; the table gives medians, and of the ratios those of neighbours.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.stages.datasets_alone import Heard, written
from benchmarks.timing.turns import Turns
from dataset_builder.building.diffumask_sampler import DiffuMaskSampler
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe, SamplingOptions

ALONE, BUILD = "datasets alone", "build"


def built(recipe: Recipe, heard: Heard, folder: Path) -> None:
    build(recipe, folder, EngineOptions(workers=0), make_sampler=lambda _: heard, show_progress=False)


def main(
    pairs: Annotated[int, typer.Option(min=1, help="Of a dataset.")] = 96,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 20,
    repeats: Annotated[int, typer.Option(min=1, help="Datasets of each kind.")] = 3,
    json: JsonOption = None,
) -> None:
    recipe = Recipe(
        "tiny-world",
        pairs=pairs,
        shard_size=32,
        sampling=SamplingOptions(steps=steps, batch_size=8, threads=1),
    )
    sampler = DiffuMaskSampler(recipe)
    asked = Heard(sampler)
    with tempfile.TemporaryDirectory() as folder:
        built(recipe, asked, Path(folder) / "first")  # not timed: it says what is drawn
    turns, drawing = Turns("cpu"), defaultdict[str, list[float]](list)
    for _ in tqdm(range(repeats), "datasets"):
        heard = {name: Heard(sampler) for name in (ALONE, BUILD)}
        with tempfile.TemporaryDirectory() as folder:
            turns.take(
                {
                    ALONE: partial(written, asked.calls, heard[ALONE], Path(folder) / "pairs.parquet"),
                    BUILD: partial(built, recipe, heard[BUILD], Path(folder) / "pairs"),
                }
            )
        for name, own in heard.items():
            drawing[name].append(sum(own.seconds))
    rows = [
        {
            "pairs written by": name,
            "s": turns.median(name),
            "of it sampling": statistics.median(drawing[name]),
            "beyond sampling": statistics.median(b - a for a, b in zip(drawing[name], own, strict=True)),
            f"× {ALONE}": turns.ratio(name, ALONE),
        }
        for name, own in turns.seconds.items()
    ]
    report("A build and datasets alone", rows, {"pairs": pairs, "steps": steps, "repeats": repeats}, json)


if __name__ == "__main__":
    typer.run(main)
