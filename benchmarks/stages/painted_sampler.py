"""A sampler without a model: a rectangle per class on noise, from the seed alone, with faults on demand.

It stands in where a test or a benchmark builds far more pairs, or more deaths, than a model could be run for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe


@dataclass(frozen=True)
class PaintedSampler:
    """`make_sampler` of a build, and the sampler itself.

    seconds: what an image costs. blanked, not_finite, empty: the fractions of seeds whose image is blanked,
    whose maps are NaN, whose mask is empty. dies: a file that a call deletes before it ends its process.
    """

    side: int = 16
    seconds: float = 0.0
    blanked: float = 0.0
    not_finite: float = 0.0
    empty: float = 0.0
    dies: Path | None = None
    model: str = "painted"
    method: str = "exact"

    def __call__(self, *call) -> PaintedSampler | list[Sampled | Refused]:
        return self if isinstance(call[0], Recipe) else self.draw(*call)

    def draw(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]:
        if self.dies is not None and self.dies.exists():
            self.dies.unlink()
            os._exit(1)
        time.sleep(self.seconds * len(items))
        return [self.painted(item, seed) for item, seed in zip(items, seeds, strict=True)]

    def painted(self, item: PromptItem, seed: int) -> Sampled:
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 256, (self.side, self.side, 3), np.uint8)
        blanked, not_finite, empty = rng.random(3) < (self.blanked, self.not_finite, self.empty)
        heatmaps = np.zeros((len(item.classes), self.side, self.side), np.float32)
        for own in heatmaps:
            top, left = rng.integers(0, self.side // 2, 2)
            own[top : top + self.side // 2, left : left + self.side // 2] = 0 if empty else 1
        mask = np.where(heatmaps.any(0), heatmaps.argmax(0) + 1, 0).astype(np.uint8)
        return Sampled(image, heatmaps * (np.nan if not_finite else 1), mask, bool(blanked))
