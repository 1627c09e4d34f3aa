"""Which pairs a shard holds, from which prompts, what they are called, and the seed of every image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataset_builder.prompts import PromptItem, PromptPlan
from dataset_builder.recipe import Recipe

SPLIT = "train"


def shard_count(recipe: Recipe) -> int:
    return -(-recipe.pairs // recipe.shard_size)


def shard_indices(recipe: Recipe, shard: int) -> range:
    """The pairs of a shard."""
    return range(shard * recipe.shard_size, min((shard + 1) * recipe.shard_size, recipe.pairs))


def shard_prompts(plan: PromptPlan, recipe: Recipe, shard: int) -> dict[int, PromptItem]:
    """The prompts of a shard by the index of their pair."""
    return {index: plan[index] for index in shard_indices(recipe, shard)}


def shard_file(recipe: Recipe, shard: int, folder: Path) -> Path:
    return folder / "data" / f"{SPLIT}-{shard:05d}-of-{shard_count(recipe):05d}.parquet"


def pair_id(index: int) -> str:
    return f"{index:08d}"


def image_seed(seed: int, index: int, attempt: int) -> int:
    """The seed of an image's generator: 63 bits, since shorter ones would meet in large datasets."""
    (state,) = np.random.SeedSequence([seed, index, attempt]).generate_state(1, np.uint64)
    return int(state >> np.uint64(1))
