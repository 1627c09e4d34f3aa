"""What does a build cost beyond sampling its pictures and writing them? Processor seconds of one process.

    python -m benchmarks.build_overhead

The sampler of the bundled model is loaded once. `datasets alone` draws the same prompts with the same seeds
and gives the pairs to `datasets`, which writes them as Parquet; a build draws and writes them as shards, with
its checks and its manifest. Both in turns; the table gives medians, and of the ratios those of neighbours.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import datasets
import typer
from PIL import Image
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from dataset_builder.building.diffumask_sampler import DiffuMaskSampler
from dataset_builder.building.run import build
from dataset_builder.building.sampler import AroundSampler, Refused, Sampled
from dataset_builder.engine.options import EngineOptions
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe, SamplingOptions
from tiny_world import CLASSES

FEATURES = datasets.Features(
    image=datasets.Image(),
    mask=datasets.Image(),
    prompt=datasets.Value("string"),
    classes=datasets.List(datasets.ClassLabel(names=list(CLASSES))),
    seed=datasets.Value("int64"),
)
Call = tuple[list[PromptItem], list[int]]


@dataclass(frozen=True)
class Heard(AroundSampler):
    """A sampler, what it was asked for, and the processor seconds that it took."""

    calls: list[Call] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __call__(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]:
        started = time.process_time()
        drawn = self.sampler(items, seeds)
        self.seconds.append(time.process_time() - started)
        self.calls.append((list(items), list(seeds)))
        return drawn


def built(recipe: Recipe, heard: Heard, folder: Path) -> None:
    build(recipe, folder, EngineOptions(workers=0), make_sampler=lambda _: heard, show_progress=False)


def written(calls: Sequence[Call], heard: Heard, folder: Path) -> None:
    """By `datasets` alone."""
    rows = list(drawn_rows(calls, heard))
    datasets.Dataset.from_list(rows, features=FEATURES).to_parquet(folder / "pairs.parquet")


def drawn_rows(calls: Sequence[Call], heard: Heard) -> Iterator[dict[str, Any]]:
    for items, seeds in calls:
        for item, seed, own in zip(items, seeds, heard(items, seeds), strict=True):
            image, mask = Image.fromarray(own.image), Image.fromarray(own.mask)
            labels = {"prompt": item.text, "classes": list(item.class_names), "seed": seed}
            yield {"image": image, "mask": mask, **labels}


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
    works: dict[str, Callable[[Heard, Path], None]] = {
        "datasets alone": lambda heard, folder: written(asked.calls, heard, folder),
        "build": lambda heard, folder: built(recipe, heard, folder / "pairs"),
    }
    whole: dict[str, list[float]] = {name: [] for name in works}
    drawing: dict[str, list[float]] = {name: [] for name in works}
    for _ in tqdm(range(repeats), "datasets"):
        for name, work in works.items():
            heard = Heard(sampler)
            with tempfile.TemporaryDirectory() as folder:
                started = time.process_time()
                work(heard, Path(folder))
                whole[name].append(time.process_time() - started)
            drawing[name].append(sum(heard.seconds))
    first = whole["datasets alone"]
    rows = [
        {
            "pairs written by": name,
            "s": statistics.median(own),
            "of it sampling": statistics.median(drawing[name]),
            "beyond sampling": statistics.median(b - a for a, b in zip(drawing[name], own, strict=True)),
            "× datasets alone": statistics.median(b / a for a, b in zip(first, own, strict=True)),
        }
        for name, own in whole.items()
    ]
    report("A build and datasets alone", rows, {"pairs": pairs, "steps": steps, "repeats": repeats}, json)


if __name__ == "__main__":
    typer.run(main)
