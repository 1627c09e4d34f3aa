"""What every engine does for a shard: images with class maps, rows of them, the rows in a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dataset_builder.building.candidates import Skipped, candidates
from dataset_builder.building.layout import ShardName
from dataset_builder.building.row import BuiltRow, RowMaker, row_features
from dataset_builder.building.sampler import MakeSampler, Sampler, check_told
from dataset_builder.building.shard import Shard, encode_shard
from dataset_builder.building.tally import Tally
from dataset_builder.engine.workers import OpenedAnew
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe
from dataset_builder.sam.kinds import check_sam
from dataset_builder.vocabulary import Vocabulary


def diffumask_sampler(recipe: Recipe) -> Sampler:
    """The recipe's own model, which takes its time to import."""
    if recipe.pictures is not None:
        from dataset_builder.annotating.sampler import picture_sampler

        return picture_sampler(recipe)
    from dataset_builder.building.diffumask_sampler import DiffuMaskSampler

    return DiffuMaskSampler(recipe)


@dataclass(frozen=True)
class ShardPrompts:
    """A shard, and its prompts by the index of their pair."""

    name: ShardName
    prompts: Mapping[int, PromptItem]

    def __str__(self) -> str:
        return f"shard {self.name}"


@dataclass(frozen=True)
class Job(OpenedAnew):
    """What a shard is built from. `identity` says whose shard it is."""

    recipe: Recipe
    vocabulary: Vocabulary
    identity: str
    make_sampler: MakeSampler = diffumask_sampler

    @cached_property
    def sampler(self) -> Sampler:
        """Loaded, with AffinityNet or SAM beside it where the refinement needs that and there is a GPU."""
        refinement = self.recipe.refinement
        if refinement.model is not None:
            from dataset_builder.building.settled_sampler import settled

            check_sam(refinement.model, refinement.sam)  # before anything is loaded
        sampler = self.make_sampler(self.recipe)
        check_told(sampler, self.recipe)
        if refinement.model is not None:
            return settled(sampler, refinement)
        if refinement.network is None:
            return sampler
        from dataset_builder.building.featured_sampler import featured

        return featured(sampler, refinement.network)

    def results(self, prompts: Mapping[int, PromptItem]) -> Iterator[BuiltRow | Skipped]:
        """What becomes of prompts by the index of their pair, one after the other."""
        drawn = candidates(self.sampler, prompts, self.recipe)
        return map(self.row_maker(self.sampler), drawn)

    def row_maker(self, sampler: Sampler) -> RowMaker:
        return RowMaker(self.recipe, self.vocabulary, sampler.model, sampler.method)

    def encode(self, name: ShardName, results: Sequence[BuiltRow | Skipped]) -> Shard:
        features = row_features(self.recipe, self.vocabulary.class_names)
        return encode_shard(name, results, features, self.identity)


@dataclass
class Watcher:
    """What an engine tells while it works: of each pair that is settled, and of what went wrong."""

    settled: Callable[[Tally], None] = lambda tally: None
    incident: Callable[[str], None] = lambda what: None
