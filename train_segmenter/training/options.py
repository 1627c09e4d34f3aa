"""Settings of a training: one frozen object for Python, YAML recipes and the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import yaml

from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.training.losses import Criterion
from train_segmenter.training.trackers import TRACKERS

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}  # as accelerate calls them
SCHEDULES = ("poly", "cosine")


@dataclass(frozen=True)
class TrainOptions:
    """Settings for small models from random weights; the published ones stand in the recipes."""

    steps: int = 20_000  # optimiser steps
    batch_size: int = 16  # pairs in one forward pass of one process
    accumulate: int = 1  # forward passes in one step
    precision: str = "fp32"
    learning_rate: float = 5e-4
    backbone_factor: float = 1.0  # of the learning rate, for the pretrained part
    weight_decay: float = 1e-4
    clip: float = 1.0  # greatest norm of the gradient; 0 for none
    schedule: str = "poly"
    power: float = 0.9  # of the poly schedule
    warmup: int = 0  # steps of linear rise
    loss: str = "ce"
    ema: float = 0.999  # share of the averaged weights kept at a step; 0 for no average
    augmentation: Augmentation = field(default_factory=Augmentation)
    augment: AugmentOptions | None = None  # before it: whole pairs spliced, warped, occluded, blurred
    seed: int = 0
    workers: int = 0  # processes that read and augment
    log_every: int = 10
    evaluate_every: int = 1000
    pictures: int = 4  # validation pairs that are shown with their prediction at every evaluation
    save_every: int = 1000
    trackers: tuple[str, ...] = ("jsonl",)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "log_every", "evaluate_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}.")
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("schedule", self.schedule, SCHEDULES)
        for tracker in self.trackers:
            _one_of("a tracker", tracker, TRACKERS)
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is at least 0 and less than 1, not {self.ema}.")
        Criterion.parse(self.loss)

    @property
    def repeats(self) -> bool:
        """Whether training sees an image in a few variants, again and again."""
        return self.augment is None and self.augmentation.repeats

    @classmethod
    def from_dict(cls, values: dict) -> TrainOptions:
        """Options from plain values, as a recipe gives them; an unknown name is an error."""
        values = dict(values)
        _known(cls, values, "training")
        augmentation = dict(values.pop("augmentation", None) or {})
        _known(Augmentation, augmentation, "augmentation")
        if "scale" in augmentation:
            augmentation["scale"] = tuple(augmentation["scale"])
        if "trackers" in values:
            values["trackers"] = tuple(values["trackers"])
        values["augment"] = _augment_options(values.get("augment"))
        return cls(**values, augmentation=Augmentation(**augmentation))

    def to_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class TrainingRecipe:
    """A published training: the model's name and options, and how it is trained."""

    model: str
    model_options: dict
    training: TrainOptions

    @classmethod
    def read(cls, path: Path) -> TrainingRecipe:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "model" not in content:
            raise ValueError(f"{path} is not a training recipe: it names no model.")
        if unknown := set(content) - {"model", "model_options", "training"}:
            raise ValueError(f"{path} has unknown sections: {', '.join(sorted(unknown))}.")
        options = TrainOptions.from_dict(content.get("training") or {})
        return cls(content["model"], content.get("model_options") or {}, options)


def _augment_options(value: bool | dict | None) -> AugmentOptions | None:
    """`augment: true` in a recipe means the defaults, a mapping changes some of them."""
    if value is None or value is False:
        return None
    changes = {} if value is True else value
    _known(AugmentOptions, changes, "augment")
    return AugmentOptions(**{name: _as_tuple(own) for name, own in changes.items()})


def _as_tuple(value):
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _one_of(what: str, value: str, known) -> None:
    if value not in known:
        raise ValueError(f"{what} is one of {', '.join(known)}, not {value!r}.")


def _known(cls: type, values: dict, what: str) -> None:
    names = {entry.name for entry in fields(cls)}
    if unknown := sorted(set(values) - names):
        raise ValueError(f"Unknown {what} options: {', '.join(unknown)}. Known: {', '.join(sorted(names))}.")
