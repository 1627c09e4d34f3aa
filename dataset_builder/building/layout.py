"""Which pairs a shard holds, from which prompts, what they are called, and the seed of every image.

Pairs go to splits by their prompts, so that no prompt is in two of them, and stay there when a build grows:
the shards of a split are filled one after the other with its pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dataset_builder.annotating.plan import PicturePlan, picture_plan
from dataset_builder.prompts import PromptItem, PromptPlan, prompt_plan
from dataset_builder.prompts.draws import generator, shuffled, weighted
from dataset_builder.recipe import MOST_ATTEMPTS, MOST_PAIRS, Recipe
from dataset_builder.vocabulary import Vocabulary
from diffusers_attnmask.ground.bars import bar
from train_segmenter.data.shards import UNNAMED, split_order


class ShardName(NamedTuple):
    """A shard by its number within its split."""

    split: str
    number: int

    def __str__(self) -> str:
        return f"{self.split}-{self.number:05d}"


def plan_of(recipe: Recipe, vocabulary: Vocabulary, folder: Path | None = None) -> PromptPlan | PicturePlan:
    """A prompt for every pair: drawn ones, or what the pictures of a folder may show. folder: of the build,
    where what a language model wrote is kept."""
    if recipe.pictures is not None:
        return picture_plan(recipe.pictures, vocabulary)
    return prompt_plan(recipe.prompts, vocabulary, recipe.seed, folder)


@dataclass(frozen=True)
class Layout:
    """The shards of a build. members: the numbers of the pairs of each split, in order."""

    plan: PromptPlan | PicturePlan
    shard_size: int
    members: Mapping[str, Sequence[int]]

    @property
    def shards(self) -> list[ShardName]:
        return [ShardName(split, number) for split in self.members for number in range(self.count(split))]

    def count(self, split: str) -> int:
        """How many shards a split has."""
        return shards_for(len(self.members[split]), self.shard_size)

    def indices(self, shard: ShardName) -> Sequence[int]:
        """The pairs of a shard."""
        start = shard.number * self.shard_size
        return self.members[shard.split][start : start + self.shard_size]

    def prompts(self, shard: ShardName) -> dict[int, PromptItem]:
        """The prompts of a shard by the index of their pair."""
        return {index: self.plan[index] for index in self.indices(shard)}

    def file(self, shard: ShardName, folder: Path) -> Path:
        return folder / "data" / f"{shard}-of-{self.count(shard.split):05d}.parquet"


def shards_for(pairs: int, shard_size: int) -> int:
    return -(-pairs // shard_size)


def layout_of(recipe: Recipe, plan: PromptPlan | PicturePlan, *, progress: bool = False) -> Layout:
    """The shards of a recipe; with several splits, every prompt is made once to know where it belongs."""
    if not recipe.splits:
        return Layout(plan, recipe.shard_size, {UNNAMED: range(recipe.pairs)})
    shares = {str(split): share for split, share in recipe.splits.items()}
    members: dict[str, array[int]] = {split: array("L") for split in sorted(shares, key=split_order)}
    for index in bar(range(recipe.pairs), "sorting prompts", unit="prompt", shown=progress, passing=True):
        members[split_of(plan[index].text, shares, recipe.seed)].append(index)
    if empty := [split for split, own in members.items() if not own]:
        raise ValueError(
            f"splits: none of {recipe.pairs} prompts is for {', '.join(empty)}: ask for more pairs, or give "
            "it a larger share"
        )
    return Layout(plan, recipe.shard_size, members)


def split_of(text: str, shares: Mapping[str, float], seed: int) -> str:
    """The split of a prompt: a draw by the shares that its words and the seed alone decide."""
    splits = sorted(shares, key=split_order)
    return splits[weighted(generator(seed, "split", text.casefold()), [shares[own] for own in splits])]


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
