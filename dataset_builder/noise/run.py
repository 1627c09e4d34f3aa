"""A whole filtering: judges trained on folds, pairs left out, and a new dataset that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from datasets import Features, Value
from pydantic import Field

from dataset_builder.dataset_copies import OpenedDataset, StoredRows, mask_names, open_dataset, write_rows
from dataset_builder.dataset_folder import FILTER_TABLE
from dataset_builder.hub.card import write_derived_card
from dataset_builder.noise.filtering import judge, table
from dataset_builder.noise.prune import PruneOptions, prune
from dataset_builder.noise.segmenter import SegmenterTrainer
from dataset_builder.noise.witnesses import Witnesses
from diffusers_attnmask.ground.atomic_files import remove_folder, write_text
from diffusers_attnmask.ground.options import (
    Name,
    Scale,
    Seed,
    Side,
    options,
)
from diffusers_attnmask.ground.places import new_place
from train_segmenter.data import HubPairs, check_source
from train_segmenter.data.hub import from_dataset
from train_segmenter.models.pretrained import Pretrained
from train_segmenter.training.options import TrainingRecipe, TrainOptions
from train_segmenter.training.run import DEFAULT_MODEL, adjusted_recipe

JUDGES = TrainingRecipe(DEFAULT_MODEL, {}, TrainOptions(steps=2000))
WORK = "segmenters"  # folder of the judges while they are needed


@options(kw_only=True)
class FilterRun(Witnesses):
    """How the judges of a dataset are made, and which pairs go by what they say.

    recipe: of the judges, an object, a YAML file or a bundled recipe's name, by default `JUDGES`; model and
    changes (of `TrainOptions`) come over it. crop: side of training crops in scaled pixels. scale: of the
    images when judges train and judge; 0.5 costs a quarter. folds: judges, each of the part that it has not
    seen. allow_outside: read files, too, that the data name outside of their folder.
    """

    recipe: TrainingRecipe | Path | Name | None = None
    model: Name | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    pretrained: Pretrained = "auto"
    folds: Annotated[int, Field(ge=2, le=1000)] = 3
    crop: Side | None = None
    scale: Scale = 1.0
    prune: PruneOptions = field(default_factory=PruneOptions)
    seed: Seed = 0
    allow_outside: bool = False

    def __post_init__(self) -> None:
        self.check(self.prune)
        replace(JUDGES.training, **self.changes)  # refuses what no training takes


@dataclass(frozen=True)
class Filtered:
    """How many pairs stayed, and how many went."""

    kept: int
    dropped: int


def filter_dataset(
    data: str | Path, out: str | Path, run: FilterRun | None = None, *, progress: bool = True
) -> Filtered:
    """Write the pairs whose masks agree with segmenters that have not seen them as a new dataset folder.

    data: a folder or Hub name, or parts of its splits (`folder@train[:10%]`). Splits stay what they are, and
    judges learn from all of them. The new one has their quality as a column, a card, and a table of all
    pairs, kept or not. A run that was stopped goes on where it was.
    """
    run = run or FilterRun()
    judges = judges_of(run)
    with new_place(out, "filter") as work:
        opened, source = judged_pairs(data, run)
        check_source(source, progress=progress)
        told = run.testimony(source, run.prune, run.seed, progress)
        trainer = SegmenterTrainer(
            judges.model,
            judges.training,
            work / WORK,
            run.pretrained,
            judges.model_options,
            run.scale,
            progress,
        )
        judged = judge(source, run.folds, run.seed, trainer)
        judged = [replace(pair, **beside) for pair, beside in zip(judged, told, strict=True)]
        reasons = prune(judged, run.prune)
        kept = [index for index, reason in enumerate(reasons) if not reason]
        if not kept:
            raise ValueError(
                "no pair would be left: lower --threshold, or train the segmenters for more --steps"
            )
        stored = StoredRows(source.dataset, opened.home)
        rows = ({**stored[index], "quality": judged[index].quality} for index in kept)
        features = Features({**source.dataset.features, "quality": Value("float32")})
        write_rows(opened.by_split(rows, kept), features, source.class_names, work)
        write_text(work / FILTER_TABLE, table(judged, reasons))
        write_derived_card(work, Path(out).resolve().name, opened.path)
        remove_folder(work / WORK)
    return Filtered(len(kept), len(judged) - len(kept))


def judged_pairs(data: str | Path, run: FilterRun) -> tuple[OpenedDataset, HubPairs]:
    """The pairs of a dataset as they are stored and as they are judged, in classes that thresholds name."""
    opened = open_dataset(data, outside=run.allow_outside)
    names = tuple(mask_names(opened.pairs.features))
    source = from_dataset(opened.pairs, names, str(data), opened.home)
    _check_classes(run.prune, source.class_names)
    return opened, source


def _check_classes(prune: PruneOptions, class_names: Sequence[str]) -> None:
    named = {*prune.thresholds, *prune.class_coverage} - {"default"}
    if unknown := sorted(named - set(class_names)):
        raise ValueError(
            f"--class-threshold {', '.join(unknown)}: the dataset has no such class; it has "
            f"{', '.join(class_names)}"
        )


def judges_of(run: FilterRun) -> TrainingRecipe:
    """How the segmenters are made and trained: views of scaled images, under what the run says."""
    judges = adjusted_recipe(run.recipe, JUDGES, run.model, {"seed": run.seed, **run.changes})
    views = judges.training.augmentation.resized(run.scale)
    views = replace(views, crop=run.crop or views.crop)
    return replace(judges, training=replace(judges.training, augmentation=views))
