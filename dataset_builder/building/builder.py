"""The same datasets through the `datasets` library: a builder whose configuration is the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from dataset_builder.building.job import Job, diffumask_sampler
from dataset_builder.building.layout import layout_of, plan_of
from dataset_builder.building.manifest import Manifest, inputs_of
from dataset_builder.building.row import BuiltRow, row_features
from dataset_builder.building.sampler import MakeSampler
from dataset_builder.recipe import Recipe
from diffusers_attnmask.bundled import named_model


@dataclass
class DiffuMaskConfig(datasets.BuilderConfig):
    """recipe: an object, a bundled recipe's name, or a YAML file. The three numbers replace its own."""

    recipe: Recipe | str | Path | None = None
    num_pairs: int | None = None
    shard_size: int | None = None
    seed: int | None = None
    make_sampler: MakeSampler | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recipe is None:
            raise ValueError("a builder needs a recipe: DiffuMaskBuilder(recipe='tiny'), or a YAML file")
        recipe = self.recipe if isinstance(self.recipe, Recipe) else Recipe.read(self.recipe)
        self.recipe = recipe.with_changes(pairs=self.num_pairs, shard_size=self.shard_size, seed=self.seed)

    def create_config_id(self, config_kwargs: dict, custom_features: datasets.Features | None = None) -> str:
        """Of what a build is bound to, which is the content of files and not where weights lie: words that
        have changed are not read from an old cache, and another device reads what there is."""
        assert isinstance(self.recipe, Recipe)  # since it was read
        recipe = self.recipe.on_this_machine()
        vocabulary = recipe.open_vocabulary()
        inputs = inputs_of(recipe, None if self.make_sampler else named_model(recipe.model), vocabulary)
        inputs["prompts"] = plan_of(recipe, vocabulary).fingerprint
        decided = {
            "build": Manifest(recipe.deciding(), inputs).identity,
            "pairs": recipe.pairs,
            "make_sampler": self.make_sampler,
        }
        return super().create_config_id(decided, custom_features)


class DiffuMaskBuilder(datasets.GeneratorBasedBuilder):
    """Generates the pairs of a recipe: those of `attnmask build`, shard by shard.

    >>> builder = DiffuMaskBuilder(recipe="tiny", num_pairs=64)                   # doctest: +SKIP
    >>> builder.download_and_prepare("data/tiny", file_format="parquet")         # doctest: +SKIP
    >>> builder.as_dataset(split="train")                                        # doctest: +SKIP

    `num_proc` processes draw shards of their own. It cannot be resumed: `dataset_builder.building.build` can.
    """

    BUILDER_CONFIG_CLASS = DiffuMaskConfig
    VERSION = datasets.Version("2.0.0")  # another one for other bytes, which the cache must not mix
    DEFAULT_WRITER_BATCH_SIZE = 100

    def __init__(self, cache_dir: str | None = None, dataset_name: str = "diffumask", **options: Any) -> None:
        super().__init__(cache_dir, dataset_name, **options)

    def _info(self) -> datasets.DatasetInfo:
        recipe = self.config.recipe
        names = recipe.open_vocabulary().class_names
        return datasets.DatasetInfo(
            description=f"Images and masks made by {recipe.model}",
            features=row_features(recipe, names),
            license=recipe.license,
        )

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        recipe = self.config.recipe
        layout = layout_of(recipe, plan_of(recipe, recipe.open_vocabulary()))
        shards = {split: [own for own in layout.shards if own.split == split] for split in layout.members}
        return [  # lists, so that num_proc can share them out
            datasets.SplitGenerator(split, gen_kwargs={"shards": [list(layout.indices(own)) for own in each]})
            for split, each in shards.items()
        ]

    def _generate_examples(self, shards: list[list[int]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """shards: the numbers of the pairs of each."""
        recipe = self.config.recipe.on_this_machine()
        vocabulary = recipe.open_vocabulary()
        plan = plan_of(recipe, vocabulary)
        job = Job(recipe, vocabulary, "", self.config.make_sampler or diffumask_sampler)
        for indices in shards:
            results = job.results({index: plan[index] for index in indices})
            for result in sorted(results, key=lambda result: result.index):
                if isinstance(result, BuiltRow):
                    yield result.row["id"], result.row
