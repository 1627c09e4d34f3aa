"""A whole annotation: a folder of pictures labelled into a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dataset_builder.annotating.options import PictureOptions
from dataset_builder.annotating.plan import PicturePlan, picture_plan
from dataset_builder.annotating.sampler import check_models
from dataset_builder.building.dataset import BuiltDataset, build_dataset
from dataset_builder.building.layout import layout_of
from dataset_builder.engine.options import EngineOptions
from dataset_builder.planning.measure import Measured, measured
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.amounts import bytes_told, hours_told, peak_told

SHOWN = 5  # prompts of a plan


@dataclass(frozen=True)
class AnnotationPlan:
    """How many pictures there are and shards become of them, how many pictures may show each class, and the
    first prompts by picture. measured: what two batches of them took."""

    pictures: int
    shards: int
    by: str
    per_class: Mapping[str, int]
    prompts: Mapping[str, str]
    measured: Measured | None
    hours: float | None

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


def plan_annotation(recipe: Recipe, *, measure: bool = False, workers: int = 1) -> AnnotationPlan:
    """What would be labelled. No picture is decoded and no model loaded, unless two batches are measured.

    workers: processes that refine beside the labeller.
    """
    recipe, plan = _planned(recipe)
    check_models(recipe)
    timed = measured(recipe, recipe.open_vocabulary(), plan) if measure else None
    folder, first = Path(_pictures(recipe).folder), plan.items[:SHOWN]
    prompts = {Path(str(item.condition)).relative_to(folder).as_posix(): item.text for item in first}
    by = _pictures(recipe).by
    shards = len(layout_of(recipe, plan).shards)
    hours = None if timed is None else timed.hours_here(len(plan), workers)
    return AnnotationPlan(len(plan), shards, by, plan.report.per_class, prompts, timed, hours)


def lines(plan: AnnotationPlan) -> list[str]:
    """A plan as text."""
    counted = ", ".join(f"{name} {count}" for name, count in plan.per_class.items())
    shown = [f"  {file}: {prompt}" for file, prompt in plan.prompts.items()]
    said = [f"{plan.pictures} pictures, {plan.shards} shards, by {plan.by}", f"may show: {counted}", *shown]
    timed = plan.measured
    if timed is None or plan.hours is None:
        return [*said, "hours: not measured; --measure loads the model and labels two batches"]
    return [
        *said,
        f"disk: {bytes_told(timed.bytes_per_pair * plan.pictures)} as measured",
        f"a picture takes {timed.draw_seconds:.3g} s to label on {timed.device}"
        f"{peak_told(timed.peak_memory)}, and {timed.row_seconds:.3g} s to refine and encode",
        f"this machine: {hours_told(plan.hours)}",
    ]


def _planned(recipe: Recipe) -> tuple[Recipe, PicturePlan]:
    """The recipe for as many pairs as there are pictures."""
    plan = picture_plan(_pictures(recipe), recipe.open_vocabulary())
    return replace(recipe, pairs=len(plan)), plan


def _pictures(recipe: Recipe) -> PictureOptions:
    if recipe.pictures is None:
        raise ValueError("the recipe names no pictures: an annotation needs their folder (pictures.folder)")
    return recipe.pictures
