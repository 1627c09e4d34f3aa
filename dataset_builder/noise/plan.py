"""What a filtering will do, before its hours: the dataset is opened, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_builder.noise.flags import flags_of
from dataset_builder.noise.folds import other_folds, split_folds
from dataset_builder.noise.options import FilterRun, judges_of
from dataset_builder.noise.stage import pairs_to_judge
from diffusers_attnmask.ground.threads import threads
from train_segmenter.evaluation.inference import Inference
from train_segmenter.training.measure import NOT_MEASURED, MeasuredTraining, Size, measured_training
from train_segmenter.training.options import TrainingRecipe
from train_segmenter.training.plan import known_size
from train_segmenter.training.run import new_model


@dataclass(frozen=True)
class FilterPlan:
    """judges: how each of `folds` segmenters is trained, on all pairs but those that it judges. size: of one
    of them, None where it is known only of a model that is loaded."""

    pairs: int
    class_names: tuple[str, ...]
    folds: int
    judges: TrainingRecipe
    run: FilterRun
    size: Size | None
    measured: MeasuredTraining | None

    @property
    def hours(self) -> float | None:
        """Of the judges, one after the other on this machine; other witnesses are not timed."""
        if self.measured is None:
            return None
        judging = self.pairs * self.measured.judge_seconds / 3600
        return self.folds * self.measured.hours(self.judges.training, 0) + judging

    @property
    def steps(self) -> int:
        """Of training, in all."""
        return self.folds * self.judges.training.steps

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        training = self.judges.training
        return {
            "pairs": self.pairs,
            "classes": list(self.class_names),
            "folds": self.folds,
            "model": self.judges.model,
            "steps": self.steps,
            "training": training.to_dict(),
            "clip": self.run.clip,
            "second": self.run.second,
            "ask": self.run.ask,
            "size": self.size.to_dict(training) if self.size else None,
            "measured": self.measured.to_dict() if self.measured else None,
            "hours": self.hours,
        }

    def lines(self) -> list[str]:
        """The plan for a reader, a line for each thing."""
        training, prune = self.judges.training, self.run.prune
        share = prune.keep_fraction
        kept = (
            f"IoU of a class at least {prune.thresholds['default']:g}"
            if share is None
            else f"the better {share:.0%} of each class"
        )
        return [
            f"{self.pairs} pairs of {len(self.class_names)} classes, judged in {self.folds} folds",
            f"by {self.judges.model}, {training.steps} steps of {training.batch_size} for each fold, "
            f"{self.steps} in all, at {self.run.scale:g} times the images' size",
            f"kept: {kept}",
            *([f"prompts scored by {self.run.clip}"] if self.run.clip else []),
            *([f"labelled a second time by {self.run.second}"] if self.run.second else []),
            *([f"classes asked for of {self.run.ask}"] if self.run.ask else []),
            *(self.size.lines(training, self.folds) if self.size else []),
            *(self.measured.lines(self.hours or 0.0) if self.measured else [NOT_MEASURED]),
            *(["what others than the judges say is not in these hours"] if self.untimed else []),
        ]

    @property
    def untimed(self) -> bool:
        return self.measured is not None and self.run.asks_witnesses(self.run.prune)


def plan_filter(data: str | Path, run: FilterRun | None = None, *, measure: bool = False) -> FilterPlan:
    """Read what `filter_dataset` would begin with, and count. measure: make a judge, and time a few steps."""
    run = run or FilterRun()
    _, source = pairs_to_judge(data, run)
    folds = split_folds(len(source), run.folds, run.seed)  # refuses more folds than pairs
    flags_of(run.flags, source)
    run.check_models(source.class_names)
    judges, names = judges_of(run), tuple(source.class_names)
    if measure:
        judge = new_model(judges, names, run.pretrained, judges.training.seed)
        size: Size | None = Size.of(judge)
        with threads(run.judge_threads):
            part, inference = other_folds(source, folds, 0), Inference(scales=(run.scale,))
            timed = measured_training(judge, part, judges.training, inference)
    else:
        size, timed = known_size(judges, names), None
    return FilterPlan(len(source), names, run.folds, judges, run, size, timed)
