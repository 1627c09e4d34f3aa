"""What a filtering will do, before its hours: the dataset is opened, and nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_builder.noise.flags import flags_of
from dataset_builder.noise.folds import split_folds
from dataset_builder.noise.options import FilterRun, judges_of
from dataset_builder.noise.stage import pairs_to_judge
from train_segmenter.training.options import TrainingRecipe


@dataclass(frozen=True)
class FilterPlan:
    """judges: how each of `folds` segmenters is trained, on all pairs but those that it judges."""

    pairs: int
    class_names: tuple[str, ...]
    folds: int
    judges: TrainingRecipe
    run: FilterRun

    @property
    def steps(self) -> int:
        """Of training, in all."""
        return self.folds * self.judges.training.steps

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return {
            "pairs": self.pairs,
            "classes": list(self.class_names),
            "folds": self.folds,
            "model": self.judges.model,
            "steps": self.steps,
            "training": self.judges.training.to_dict(),
            "clip": self.run.clip,
            "second": self.run.second,
            "ask": self.run.ask,
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
        ]


def plan_filter(data: str | Path, run: FilterRun | None = None) -> FilterPlan:
    """Read what `filter_dataset` would begin with, and count."""
    run = run or FilterRun()
    _, source = pairs_to_judge(data, run)
    split_folds(len(source), run.folds, run.seed)  # refuses more folds than pairs
    flags_of(run.flags, source)
    return FilterPlan(len(source), tuple(source.class_names), run.folds, judges_of(run), run)
