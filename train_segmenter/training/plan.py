"""What a training will do, before its hours: all that it reads is checked, and nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers_attnmask.ground.own_folder import check_own, place_here
from train_segmenter.models import create
from train_segmenter.models.registry import kind_of
from train_segmenter.training import checkpoint
from train_segmenter.training.loop import check_startable
from train_segmenter.training.measure import NOT_MEASURED, MeasuredTraining, Size, measured_training
from train_segmenter.training.options import TrainingRecipe, TrainOptions
from train_segmenter.training.run import TrainRun, new_model, prepared
from train_segmenter.training.self_training import FIRST_STAGE


@dataclass(frozen=True)
class TrainingPlan:
    """pairs: of the training data. judged: pairs that decide what is kept, 0 where none do. size: None where
    it is known only of a model that is loaded. self_training: whether a second model is trained."""

    model: str
    class_names: tuple[str, ...]
    pairs: int
    judged: int
    options: TrainOptions
    device: str
    self_training: bool
    size: Size | None
    measured: MeasuredTraining | None

    @property
    def hours(self) -> float | None:
        """On this machine; with self-training of both models, and of the labels between them."""
        if self.measured is None:
            return None
        once = self.measured.hours(self.options, self.judged)
        labels = self.pairs * self.measured.judge_seconds / 3600
        return 2 * once + labels if self.self_training else once

    @property
    def epochs(self) -> float:
        """How often a pair is seen by one process."""
        options = self.options
        return options.steps * options.accumulate * options.batch_size / self.pairs

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return {
            "model": self.model,
            "classes": list(self.class_names),
            "pairs": self.pairs,
            "validation_pairs": self.judged,
            "epochs": self.epochs,
            "device": self.device,
            "training": self.options.to_dict(),
            "size": self.size.to_dict(self.options) if self.size else None,
            "measured": self.measured.to_dict() if self.measured else None,
            "hours": self.hours,
        }

    def lines(self) -> list[str]:
        """The plan for a reader, a line for each thing."""
        options, crop = self.options, self.options.augmentation.crop
        views = f"crops of {crop} × {crop}" if crop else "whole images"
        judged = f"judged on {self.judged} pairs every {options.evaluate_every} steps"
        return [
            f"{self.model} on {self.pairs} pairs of {len(self.class_names)} classes",
            f"classes: {', '.join(self.class_names)}",
            f"{options.steps} steps of {options.batch_size * options.accumulate} {views}, "
            f"so that a pair is seen {self.epochs:.1f} times",
            f"{options.loss}, learning rate {options.learning_rate:g} ({options.schedule}), "
            f"{options.dtype} on {self.device}",
            judged if self.judged else "not judged: the last weights are kept (--validation)",
            *(["trained twice, the second time on the first model's labels"] if self.self_training else []),
            *(self.size.lines(self.options, 2 if self.self_training else 1) if self.size else []),
            *(self.measured.lines(self.hours or 0.0) if self.measured else [NOT_MEASURED]),
        ]


def plan_training(
    data: Sequence[str],
    out: str | Path,
    run: TrainRun | None = None,
    *,
    measure: bool = False,
    progress: bool = True,
) -> TrainingPlan:
    """Read and check what `train_model` would be asked, its folder included. measure: load the model, and
    time a few steps."""
    run = run or TrainRun()
    check_own(place_here(out), "train")
    check_startable(Path(out), run.resume)
    begun = Path(out) / FIRST_STAGE if run.self_training else Path(out)
    if run.resume and not checkpoint.exists(begun):
        raise checkpoint.nothing_to_resume(begun)
    ready = prepared(data, run, progress)
    names, timed = ready.source.class_names, None
    if measure:
        model = new_model(ready.recipe, names, run.pretrained, ready.options.seed)
        size: Size | None = Size.of(model)
        timed = measured_training(model, ready.source, ready.options, cpu=run.on_cpu)
    else:
        size = known_size(ready.recipe, names)
    return TrainingPlan(
        ready.recipe.model,
        tuple(ready.source.class_names),
        len(ready.source),
        len(ready.judged) if ready.judged is not None else 0,
        ready.options,
        run.device,
        run.self_training,
        size,
        timed,
    )


def known_size(recipe: TrainingRecipe, class_names: Sequence[str]) -> Size | None:
    """Of the recipe's model, where it can be made without weights from elsewhere."""
    if kind_of(recipe.model).segmenter_class().from_checkpoint or Path(recipe.model).exists():
        return None
    return Size.of(create(recipe.model, tuple(class_names), "none", **recipe.model_options))
