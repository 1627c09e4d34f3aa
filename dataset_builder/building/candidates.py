"""Images with class maps, batch after batch; what came out faulty is drawn anew with another seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dataset_builder.building.layout import image_seed
from dataset_builder.building.sampler import Refused, Sampled, Sampler
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe


@dataclass(frozen=True)
class Candidate:
    """A sound image on its way into the dataset."""

    index: int
    attempt: int
    seed: int
    item: PromptItem
    sampled: Sampled


@dataclass(frozen=True)
class Skipped:
    """A pair that is left out, and why in two words and in a sentence."""

    index: int
    prompt: str
    reason: str
    detail: str = ""


def candidates(
    sampler: Sampler, items: Mapping[int, PromptItem], recipe: Recipe
) -> Iterator[Candidate | Skipped]:
    """Every pair of a shard, as an image or as skipped.

    The batches are the same whenever the shard is built, since an image may change in its last bits with
    the company that it is drawn in.
    """
    waiting, faults = list(items), {}
    for attempt in range(recipe.sampling.attempts):
        tried, waiting = waiting, []
        for batch in _batches(tried, recipe.sampling.batch_size):
            seeds = [image_seed(recipe.seed, index, attempt) for index in batch]
            drawn = sampler([items[index] for index in batch], seeds)
            for index, seed, sampled in zip(batch, seeds, drawn, strict=True):
                if isinstance(sampled, Refused):  # whatever the seed
                    yield Skipped(index, items[index].text, sampled.reason, sampled.why)
                elif fault := fault_of(sampled):
                    faults[index] = fault
                    waiting.append(index)
                else:
                    yield Candidate(index, attempt, seed, sampled.item or items[index], sampled)
    for index in waiting:
        yield Skipped(index, items[index].text, *faults[index])


def fault_of(sampled: Sampled) -> tuple[str, str] | None:
    """Why an image cannot be kept, if so."""
    if sampled.blanked:
        return "image blanked", "the safety checker blanked the image"
    if sampled.broken:
        return "image not finite", "the image holds NaN or infinity"
    if not np.isfinite(sampled.heatmaps).all():
        return "maps not finite", "a class map holds NaN or infinity"
    return None


def _batches(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]
