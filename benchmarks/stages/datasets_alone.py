"""The pairs of a build, drawn again and written by `datasets` without a build."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

from dataset_builder.building.sampler import AroundSampler, Refused, Sampled
from dataset_builder.prompts import PromptItem
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


def written(calls: Sequence[Call], heard: Heard, file: Path) -> None:
    """Into a Parquet file."""
    rows = list(drawn_rows(calls, heard))
    datasets.Dataset.from_list(rows, features=FEATURES).to_parquet(file)


def drawn_rows(calls: Sequence[Call], heard: Heard) -> Iterator[dict[str, Any]]:
    for items, seeds in calls:
        for item, seed, own in zip(items, seeds, heard(items, seeds), strict=True):
            image, mask = Image.fromarray(own.image), Image.fromarray(own.mask)
            labels = {"prompt": item.text, "classes": list(item.class_names), "seed": seed}
            yield {"image": image, "mask": mask, **labels}
