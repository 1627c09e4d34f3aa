"""What a training will do, before its hours: all that it reads is checked, and nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers_attnmask.ground.own_folder import place_here
from train_segmenter.training.loop import check_startable
from train_segmenter.training.options import TrainOptions
from train_segmenter.training.run import TrainRun, prepared


@dataclass(frozen=True)
class TrainingPlan:
    """pairs: of the training data. judged: pairs that decide what is kept, 0 where none do."""

    model: str
    class_names: tuple[str, ...]
    pairs: int
    judged: int
    options: TrainOptions
    device: str

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
        ]


def plan_training(
    data: Sequence[str], out: str | Path, run: TrainRun | None = None, *, progress: bool = True
) -> TrainingPlan:
    """Read and check what `train_model` would be asked, its folder included."""
    run = run or TrainRun()
    check_startable(place_here(out), run.resume)
    ready = prepared(data, run, progress)
    return TrainingPlan(
        ready.recipe.model,
        tuple(ready.source.class_names),
        len(ready.source),
        len(ready.judged) if ready.judged is not None else 0,
        ready.options,
        run.device,
    )
