"""What every mask method offers, and the options they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from torch import Tensor

from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.recorder import Reading
from diffusers_attnmask.methods.thresholds import adaptive_threshold, label_above, otsu_threshold
from diffusers_attnmask.words.classes import ClassSpec

Threshold = float | str
THRESHOLDS = ("otsu", "adaptive")


@dataclass(frozen=True, kw_only=True)
class MaskMethod(ABC):
    """Options that every method has.

    steps: the part of the sampling that is recorded, as fractions. layers: prefixes of layer names, none for
    all.
    """

    name: ClassVar[str]
    reads_prompt: ClassVar[bool] = False  # needs the classes' phrases in the prompt
    reads_words: ClassVar[bool] = False  # needs the classes' phrases encoded by themselves

    steps: tuple[float, float] = (0.0, 1.0)
    layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if isinstance(value, list):  # as JSON and YAML give them
                object.__setattr__(self, option.name, tuple(value))
        first, last = self.steps
        if not 0 <= first < last <= 1:
            raise ValueError(f"steps={self.steps} must be a part of the sampling such as (0.2, 1.0)")

    @abstractmethod
    def readings(self, levels: Collection[int]) -> tuple[Reading, ...]:
        """What to record on a model whose cross-attention is at these levels."""

    def sampling_prompt(self, prompt: str, specs: Sequence[ClassSpec]) -> str:
        """The prompt that the method wants sampled."""
        return prompt

    @abstractmethod
    def heatmaps(self, record: ImageRecord) -> Tensor:
        """Class maps (C, H, W) in [0, 1], float32, at image size."""

    @abstractmethod
    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        """Ids (H, W) uint8 from class maps; class_names begin with the background."""


def model_levels(
    asked: Sequence[int] | None, published: Sequence[int], available: Collection[int]
) -> tuple[int, ...]:
    """The levels asked for, which the model must have; by default the published ones that it has."""
    if asked is None:
        levels = tuple(level for level in published if level in available)
        if levels:
            return levels
        asked = published
    missing = sorted(set(asked) - set(available))
    if missing:
        raise ValueError(f"the model has cross-attention at levels {sorted(available)}, not at {missing}")
    return tuple(asked)


def check_threshold(threshold: Threshold) -> None:
    if isinstance(threshold, str) and threshold not in THRESHOLDS:
        raise ValueError(
            f"threshold {threshold!r} is unknown: give a number in [0, 1] or one of {THRESHOLDS}"
        )
    if not isinstance(threshold, str) and not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold} is outside [0, 1]")


def threshold_mask(heatmaps: Tensor, threshold: Threshold, **adaptive: Any) -> Tensor:
    """Ids (H, W) of the strongest class above its fixed, Otsu or adaptive threshold."""
    return label_above(heatmaps, [threshold_of(heatmap, threshold, **adaptive) for heatmap in heatmaps])


def threshold_of(heatmap: Tensor, threshold: Threshold, **adaptive: Any) -> float:
    if threshold == "otsu":
        return otsu_threshold(heatmap)
    if threshold == "adaptive":
        return adaptive_threshold(heatmap, **adaptive)
    return threshold
