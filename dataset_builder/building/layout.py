"""Which pairs a shard holds, from which prompts, what they are called, and the seed of every image."""

from __future__ import annotations

from pathlib import Path

from dataset_builder.prompts import PromptItem, PromptPlan
from dataset_builder.prompts.draws import shuffled
from dataset_builder.recipe import MOST_ATTEMPTS, MOST_PAIRS, Recipe

SPLIT = "train"


def shard_count(recipe: Recipe) -> int:
    return -(-recipe.pairs // recipe.shard_size)


def shard_indices(recipe: Recipe, shard: int) -> range:
    """The pairs of a shard."""
    return range(shard * recipe.shard_size, min((shard + 1) * recipe.shard_size, recipe.pairs))


def shard_of(recipe: Recipe, index: int) -> int:
    """The shard that holds a pair."""
    return index // recipe.shard_size


def shard_prompts(plan: PromptPlan, recipe: Recipe, shard: int) -> dict[int, PromptItem]:
    """The prompts of a shard by the index of their pair."""
    return {index: plan[index] for index in shard_indices(recipe, shard)}


def shard_file(recipe: Recipe, shard: int, folder: Path) -> Path:
    return folder / "data" / f"{SPLIT}-{shard:05d}-of-{shard_count(recipe):05d}.parquet"


def pair_id(index: int) -> str:
    return f"{index:08d}"


def image_seed(seed: int, index: int, attempt: int) -> int:
    """The seed of an image's generator, 32 bits: all that PyTorch's generators on the CPU take of a seed.

    Index and attempt make a number of 32 bits, and a permutation of these numbers, another one for each
    dataset's seed, makes a seed of it. So no two images of a dataset begin with the same noise.
    """
    if not (0 <= index < MOST_PAIRS and 0 <= attempt < MOST_ATTEMPTS):
        raise ValueError(f"pair {index}, attempt {attempt}: there are seeds for {MOST_PAIRS} pairs at most")
    return shuffled(attempt * MOST_PAIRS + index, MOST_PAIRS * MOST_ATTEMPTS, seed, "noise")
