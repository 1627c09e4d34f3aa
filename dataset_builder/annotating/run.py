"""A whole annotation: a folder of pictures labelled into a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dataset_builder.annotating.options import PictureOptions
from dataset_builder.annotating.plan import PicturePlan, picture_plan
from dataset_builder.building.dataset import BuiltDataset, build_dataset
from dataset_builder.building.layout import layout_of
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe

SHOWN = 5  # prompts of a plan


@dataclass(frozen=True)
class AnnotationPlan:
    """How many pictures there are and shards become of them, how many pictures may show each class, and the
    first prompts by picture."""

    pictures: int
    shards: int
    by: str
    per_class: Mapping[str, int]
    prompts: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def annotate_pictures(
    recipe: Recipe,
    out: str | Path,
    engine: EngineOptions | None = None,
    *,
    push_to: str | None = None,
    private: bool = False,
    progress: bool = True,
) -> BuiltDataset:
    """Label what a dataset folder lacks of the pictures that the recipe names, and write its card.

    A run that was stopped goes on where it was, with the same pictures.
    """
    recipe, _ = _planned(recipe)
    return build_dataset(
        recipe, out, engine, push_to=push_to, private=private, progress=progress, command="annotate"
    )


def plan_annotation(recipe: Recipe) -> AnnotationPlan:
    """What would be labelled. No picture is decoded, and no model loaded."""
    recipe, plan = _planned(recipe)
    folder, first = Path(_pictures(recipe).folder), plan.items[:SHOWN]
    prompts = {Path(str(item.condition)).relative_to(folder).as_posix(): item.text for item in first}
    by = _pictures(recipe).by
    return AnnotationPlan(len(plan), len(layout_of(recipe, plan).shards), by, plan.report.per_class, prompts)


def lines(plan: AnnotationPlan) -> list[str]:
    """A plan as text."""
    counted = ", ".join(f"{name} {count}" for name, count in plan.per_class.items())
    shown = [f"  {file}: {prompt}" for file, prompt in plan.prompts.items()]
    return [f"{plan.pictures} pictures, {plan.shards} shards, by {plan.by}", f"may show: {counted}", *shown]


def _planned(recipe: Recipe) -> tuple[Recipe, PicturePlan]:
    """The recipe for as many pairs as there are pictures."""
    plan = picture_plan(_pictures(recipe), recipe.open_vocabulary())
    return replace(recipe, pairs=len(plan)), plan


def _pictures(recipe: Recipe) -> PictureOptions:
    if recipe.pictures is None:
        raise ValueError("the recipe names no pictures: an annotation needs their folder (pictures.folder)")
    return recipe.pictures
