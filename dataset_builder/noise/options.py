"""How a filtering is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.witnesses import Witnesses
from diffusers_attnmask.ground.options import Name, Scale, Seed, Side, options
from train_segmenter.models.pretrained import Pretrained
from train_segmenter.training.options import TrainingRecipe, TrainOptions
from train_segmenter.training.run import DEFAULT_MODEL, adjusted_recipe

JUDGES = TrainingRecipe(DEFAULT_MODEL, {}, TrainOptions(steps=2000))


@options(kw_only=True)
class FilterRun(Witnesses):
    """How the judges of a dataset are made, and which pairs go by what they say.

    recipe: of the judges, an object, a YAML file or a bundled recipe's name, by default `JUDGES`; model and
    changes (of `TrainOptions`) come over it. crop: side of training crops in scaled pixels. scale: of the
    images when judges train and judge; 0.5 costs a quarter. folds: judges, each of the part that it has not
    seen. flags: a table of pairs that go whatever judges say, as the app writes it. allow_outside: read
    files, too, that the data name outside of their folder.
    """

    recipe: TrainingRecipe | Path | Name | None = None
    model: Name | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    pretrained: Pretrained = "auto"
    folds: Annotated[int, Field(ge=2, le=1000)] = 3
    crop: Side | None = None
    scale: Scale = 1.0
    prune: PruneOptions = field(default_factory=PruneOptions)
    flags: Path | Name | None = None
    seed: Seed = 0
    allow_outside: bool = False

    def __post_init__(self) -> None:
        self.check(self.prune)
        replace(JUDGES.training, **self.changes)  # refuses what no training takes

    @property
    def judge_threads(self) -> int:
        """A judge's share of the cores, as if all judges trained at once."""
        return max(1, torch.get_num_threads() // self.folds)


def judges_of(run: FilterRun) -> TrainingRecipe:
    """How the segmenters are made and trained: views of scaled images, under what the run says."""
    judges = adjusted_recipe(run.recipe, JUDGES, run.model, {"seed": run.seed, **run.changes})
    views = judges.training.augmentation.resized(run.scale)
    views = replace(views, crop=run.crop or views.crop)
    return replace(judges, training=replace(judges.training, augmentation=views))
