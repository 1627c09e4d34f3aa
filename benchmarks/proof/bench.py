"""How an arm of a proof comes to be: one model, trained on this or that for as many steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tiny_world.oracle import CLASS_NAMES, MODEL, SHAPE, Renders
from tiny_world.scene import SIZE
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.data import Source
from train_segmenter.evaluation import Inference, Report, evaluate
from train_segmenter.models import Segmenter, create
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainOptions
from train_segmenter.training.self_training import pseudo_label

FIRST = 1 / 3  # of the steps of (g) are on generated pairs; the learning rate is constant there
FASTER = 8 / 3  # of the other arms' learning rate is where (g) begins on the renders
# The model paints objects upright and of a middling size; the world tilts them and varies their sizes more.
TURNED = AugmentOptions(splice=0, blur=0, occlude=0, perspective=0, turn=1, angle=15, zoom=(0.9, 1.12))
LARGER = 1.25  # the second scale of judging, and of the labels of (f), as a factor


def training_at(scale: float, steps: int, **others: Any) -> TrainOptions:
    """The training that all arms have, at a scale of the images."""
    return TrainOptions(
        steps=steps,
        weight_decay=1e-2,
        schedule="cosine",
        warmup=min(50, steps),
        loss="ce+dice",
        ema=0.99,
        augmentation=Augmentation(
            crop=round(SIZE * scale), scale=(0.9 * scale, 1.2 * scale), largest_class=1.0
        ),
        log_every=50,
        save_every=max(1, steps // 4),
        **others,
    )


def judging_at(scale: float) -> Inference:
    """At two scales and mirrored."""
    return Inference(scales=(scale, LARGER * scale), flip=True)


@dataclass(frozen=True)
class Arm:
    """A trained arm: folder, title, data, training, model, and scores on validation and held-out renders."""

    folder: str
    title: str
    source: Source
    options: TrainOptions
    model: Segmenter
    validation: float
    report: Report


@dataclass(frozen=True)
class Bench:
    """What all arms share."""

    work: Path
    options: TrainOptions
    inference: Inference
    validation: Renders
    held_out: Renders
    cpu: bool

    def new_model(self) -> Segmenter:
        torch.manual_seed(self.options.seed)
        return create(MODEL, CLASS_NAMES, pretrained="none", **SHAPE)

    def trained(
        self, folder: str, source: Source, model: Callable[[], Segmenter], options: TrainOptions
    ) -> Segmenter:
        return trained_model(model, source, options, self.work / folder, cpu=self.cpu)

    def arm(self, folder: str, title: str, source: Source, options: TrainOptions, model: Segmenter) -> Arm:
        validation, held_out = (
            evaluate(model, part, self.inference) for part in (self.validation, self.held_out)
        )
        print(f"{title}: mean IoU {held_out.mean_iou:.4f} ({len(source)} pairs)", flush=True)
        return Arm(folder, title, source, options, model, validation.mean_iou, held_out)

    def from_scratch(
        self, folder: str, title: str, source: Source, options: TrainOptions | None = None
    ) -> Arm:
        options = options or self.options
        model = self.trained(folder, source, self.new_model, options)
        return self.arm(folder, title, source, options, model)

    def augmented(self, best: Arm) -> Arm:
        """Arm (e)."""
        options = replace(self.options, augment=TURNED)
        return self.from_scratch(
            f"e-after-{best.folder}", f"(e) {best.title[:3]}, augmented", best.source, options
        )

    def self_trained(self, best: Arm) -> Arm:
        """Arm (f)."""
        labels = self.work / f"labels-of-{best.folder}"
        source = pseudo_label(best.model, best.source, labels, self.inference)
        return self.from_scratch(
            f"f-after-{best.folder}", f"(f) self-training after {best.title[:3]}", source, best.options
        )

    def fine_tuned(self, name: str, title: str, best: Arm, renders: Renders) -> Arm:
        """A third of the steps on the pairs of the best generated arm, the others on renders."""
        begun = self.begun(f"g-after-{best.folder}", best.source, best.options)
        return self.ended(f"{name}-after-{best.folder}", title, begun, renders)

    def at_rates_of_g(self, folder: str, title: str, renders: Renders) -> Arm:
        """The same learning rates, with no generated pairs."""
        return self.ended(folder, title, self.begun(folder, renders, self.options), renders)

    @property
    def first_steps(self) -> int:
        return max(1, round(FIRST * self.options.steps))

    def begun(self, folder: str, source: Source, options: TrainOptions) -> Segmenter:
        """Trained for a third of the steps, at a constant rate."""
        options = replace(options, steps=self.first_steps, schedule="poly", power=0.0)
        return self.trained(f"{folder}-begun", source, self.new_model, options)

    def ended(self, folder: str, title: str, begun: Segmenter, renders: Renders) -> Arm:
        """Trained for the other steps, from a higher rate."""
        steps, rate = self.options.steps - self.first_steps, FASTER * self.options.learning_rate
        options = replace(self.options, steps=steps, learning_rate=rate)
        model = self.trained(folder, renders, lambda: begun, options)
        return self.arm(folder, title, renders, options, model)
