"""Settings of a training: one frozen object for Python, YAML recipes and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from diffusers_attnmask.ground.options import (
    SECTION,
    Batch,
    Count,
    LearningRate,
    Name,
    NotNegative,
    Processes,
    Seed,
    Shorthand,
    Whole,
    options,
    read_options,
)
from diffusers_attnmask.ground.yaml_files import read_yaml
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.models.registry import check_options
from train_segmenter.training.losses import Criterion


def known_loss(words: str) -> str:
    Criterion.parse(words)
    return words


def spelled_augment(value: Any) -> Any:
    """`augment: true` in a recipe means the defaults, a mapping changes some of them."""
    return {} if value is True else None if value is False else value


@options
class TrainOptions:
    """Settings for small models from random weights; the published ones stand in the recipes.

    steps: of the optimiser. batch_size: pairs in one forward pass of one process. accumulate: forward passes
    in one step. dtype: of the forward pass. learning_rate: at its highest. backbone_factor: of the
    learning rate, for the pretrained part. weight_decay: of AdamW. clip: greatest norm of the gradient; 0 for
    none. schedule: how the learning rate falls. power: of the poly schedule. warmup: steps of linear rise.
    loss: one, or several as "ce+dice". ema: of the averaged weights, kept at a step; 0 for no average.
    augmentation: views of a pair. augment: before it, whole pairs spliced, warped, occluded, blurred; true
    for the defaults. seed: of weights, order and views. workers: processes that read and augment. log_every,
    evaluate_every, save_every: steps between lines of the log, evaluations and checkpoints. pictures:
    validation pairs that are shown with their prediction at every evaluation. trackers: what the log is
    written as.
    """

    steps: Count = 20_000
    batch_size: Batch = 16
    accumulate: Count = 1
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    learning_rate: LearningRate = 5e-4
    backbone_factor: NotNegative = 1.0
    weight_decay: NotNegative = 1e-4
    clip: NotNegative = 1.0
    schedule: Literal["poly", "cosine"] = "poly"
    power: NotNegative = 0.9
    warmup: Whole = 0
    loss: Annotated[str, AfterValidator(known_loss)] = "ce"
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    augmentation: Annotated[Augmentation, SECTION] = field(default_factory=Augmentation)
    augment: Annotated[AugmentOptions | None, Shorthand(spelled_augment, AugmentOptions | bool | None)] = None
    seed: Seed = 0
    workers: Processes = 0
    log_every: Count = 10
    evaluate_every: Count = 1000
    pictures: Whole = 4
    save_every: Count = 1000
    trackers: tuple[Literal["jsonl", "tensorboard"], ...] = ("jsonl",)

    @property
    def repeats(self) -> bool:
        """Whether training sees an image in a few variants, again and again."""
        return self.augment is None and self.augmentation.repeats

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def known_model(name: str) -> str:
    check_options(name, {})
    return name


def fitting_options(chosen: Mapping[str, Any], recipe: ValidationInfo) -> Mapping[str, Any]:
    """Options that the recipe's model takes."""
    if model := recipe.data.get("model"):
        check_options(model, chosen)
    return chosen


@options
class TrainingRecipe:
    """A published training.

    model: the kind of segmenter and its architecture. model_options: of that kind. training: how it is
    trained.
    """

    model: Annotated[Name, AfterValidator(known_model)]
    model_options: Annotated[Mapping[str, Any], SECTION, AfterValidator(fitting_options)] = field(
        default_factory=dict
    )
    training: Annotated[TrainOptions, SECTION] = field(default_factory=TrainOptions)

    @classmethod
    def read(cls, path: Path) -> TrainingRecipe:
        return read_options(cls, read_yaml(path, "a training recipe"), str(path))
