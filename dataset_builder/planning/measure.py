"""Two batches of a build, timed on this machine and thrown away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice

import torch

from dataset_builder.annotating.plan import PicturePlan
from dataset_builder.building.candidates import candidates
from dataset_builder.building.job import Job
from dataset_builder.building.layout import ShardName
from dataset_builder.prompts import PromptPlan
from dataset_builder.recipe import Recipe
from dataset_builder.vocabulary import Vocabulary
from diffusers_attnmask.ground.device import device_called
from train_segmenter.data.shards import UNNAMED

BATCHES = 2


@dataclass(frozen=True)
class Measured:
    """Seconds to draw a pair and to make a row of it, bytes of a pair, and what it was measured on.

    Of the two batches the second counts, where there is one: the first has the loading of kernels in it.
    peak_memory: bytes on the GPU, None without one.
    """

    device: str
    pairs: int
    draw_seconds: float
    row_seconds: float
    bytes_per_pair: float
    peak_memory: int | None

    def hours(self, pairs: int, workers: int) -> float:
        """Of a build by so many workers like this machine, each drawing and refining whole shards."""
        return pairs * (self.draw_seconds + self.row_seconds) / workers / 3600

    def hours_here(self, pairs: int, refining: int) -> float:
        """Of a build on this machine, where so many processes refine beside the one that draws."""
        beside = self.row_seconds / refining if refining else 0.0
        rate = max(self.draw_seconds, beside) if refining else self.draw_seconds + self.row_seconds
        return pairs * rate / 3600


def measured(recipe: Recipe, vocabulary: Vocabulary, plan: PromptPlan | PicturePlan) -> Measured:
    """Draw and refine the recipe's first pairs. The model is loaded for it."""
    job, size = Job(recipe, vocabulary, "measured"), recipe.sampling.batch_size
    sampler = job.sampler
    make_row = job.row_maker(sampler)
    device = device_called(recipe.sampling.device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    numbers = range(min(BATCHES * size, recipe.pairs))
    drawn = candidates(sampler, {index: plan[index] for index in numbers}, recipe)
    draw_seconds, row_seconds, results = 0.0, 0.0, []
    for start in range(0, len(numbers), size):
        began = time.perf_counter()
        batch = list(islice(drawn, len(numbers[start : start + size])))
        between = time.perf_counter()
        rows = [make_row(own) for own in batch]
        draw_seconds = (between - began) / max(len(batch), 1)
        row_seconds = (time.perf_counter() - between) / max(len(batch), 1)
        results += rows
    shard = job.encode(ShardName(UNNAMED, 0), results)
    if not shard.tally.pairs:
        raise ValueError(f"none of the first {len(numbers)} pairs could be kept: {dict(shard.tally.skipped)}")
    return Measured(
        f"{device}: {torch.cuda.get_device_name()}" if device == "cuda" else device,
        shard.tally.pairs,
        draw_seconds,
        row_seconds,
        len(shard.content) / shard.tally.pairs,
        torch.cuda.max_memory_allocated() if device == "cuda" else None,
    )
