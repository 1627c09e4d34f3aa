"""What every mask method offers, and the options they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor

from diffusers_attnmask.attention.readings import Reading
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.ground.options import Share, options
from diffusers_attnmask.methods.presence import UNCALIBRATED, presence
from diffusers_attnmask.methods.thresholds import adaptive_threshold, label_above, otsu_threshold
from diffusers_attnmask.words.classes import ClassSpec

Threshold = Share | Literal["otsu", "adaptive"]


@options(kw_only=True)
class MaskMethod(ABC):
    """Options that every method has.

    steps: the part of the sampling that is recorded, as fractions. layers: prefixes of layer names, none for
    all. presence_weights: bias and weights of concentration and strength, of which the presence of a class is
    made (`presence.py`).
    """

    name: ClassVar[str]
    reads_prompt: ClassVar[bool] = False  # needs the classes' phrases in the prompt
    reads_words: ClassVar[bool] = False  # needs the classes' phrases encoded by themselves
    reads_concepts: ClassVar[bool] = False  # needs them carried through the model beside its text

    steps: tuple[float, float] = (0.0, 1.0)
    layers: tuple[str, ...] = ()
    presence_weights: tuple[float, float, float] = UNCALIBRATED

    def __post_init__(self) -> None:
        first, last = self.steps
        if not 0 <= first < last <= 1:
            raise ValueError(f"steps={self.steps} must be a part of the sampling such as (0.2, 1.0)")

    @abstractmethod
    def readings(self, sites: Sequence[Site]) -> tuple[Reading, ...]:
        """What to record on a model with these sites."""

    def unfit(self, sites: Sequence[Site]) -> str | None:
        """Why a model with these sites does not allow the method; None where it does."""
        try:
            for reading in self.readings(sites):
                reading.check(sites)
        except ValueError as reason:
            return str(reason)
        return None

    @classmethod
    def merged(cls, own: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        """A model's options, and over them those that are asked for."""
        return {**own, **asked}

    @property
    def concept_decoys(self) -> tuple[str, ...]:
        """Words that are carried through the model beside the classes, where it reads concepts."""
        return ()

    def sampling_prompt(self, prompt: str, specs: Sequence[ClassSpec]) -> str:
        """The prompt that the method wants sampled."""
        return prompt

    @abstractmethod
    def heatmaps(self, record: ImageRecord) -> Tensor:
        """Class maps (C, H, W) in [0, 1], float32, at image size."""

    def claims(self, record: ImageRecord) -> Tensor:
        """Class maps (C, h, w) as attention has them, before they are stretched."""
        return self.heatmaps(record)

    def presence(self, record: ImageRecord) -> Tensor:
        """How surely each class is in the picture at all: (C,) in [0, 1]."""
        return presence(self.claims(record).float(), self.presence_weights)

    @abstractmethod
    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        """Ids (H, W) uint8 from class maps; class_names begin with the background."""


def model_levels(
    asked: Sequence[int] | None, published: Sequence[int], available: Collection[int], kind: str = "cross"
) -> tuple[int, ...]:
    """The levels asked for, which the model must have; by default the published ones that it has.

    Where it has none of those, the nearest to them: a transformer attends at one level alone.
    """
    if not available:
        linear = ""
        if kind == "self":
            linear = (
                " (linear attention compares no place with another): use mask_method='daam' or 'diffumask', "
                "which read its text alone"
            )
        raise ValueError(f"the model has no {kind}-attention that could be read{linear}")
    if asked is None:
        nearest = (min(available, key=lambda own: (abs(own - level), own)) for level in published)
        return tuple(level for level in published if level in available) or tuple(dict.fromkeys(nearest))
    missing = sorted(set(asked) - set(available))
    if missing:
        raise ValueError(f"the model has {kind}-attention at levels {sorted(available)}, not at {missing}")
    return tuple(asked)


def model_places(
    asked: Sequence[str] | None, published: Sequence[str], sites: Sequence[Site]
) -> tuple[str, ...]:
    """The parts of the model asked for; by default the published ones, in a model that has such parts."""
    if asked is not None:
        return tuple(asked)
    return tuple(published) if any(not site.tags.isdisjoint(published) for site in sites) else ()


def names_within(sites: Sequence[Site], depth: tuple[float, float]) -> tuple[str, ...]:
    """The sites within a span of depth among these, 0 the first and 1 the last; at least the nearest one."""
    if not sites:
        return ()
    first, last = (share * (len(sites) - 1) for share in depth)
    within = [site.name for index, site in enumerate(sites) if first <= index <= last]
    return tuple(within) or (sites[round((first + last) / 2)].name,)


def threshold_mask(heatmaps: Tensor, threshold: Threshold, **adaptive: Any) -> Tensor:
    """Ids (H, W) of the strongest class above its fixed, Otsu or adaptive threshold."""
    return label_above(heatmaps, [threshold_of(heatmap, threshold, **adaptive) for heatmap in heatmaps])


def threshold_of(heatmap: Tensor, threshold: Threshold, **adaptive: Any) -> float:
    if threshold == "otsu":
        return otsu_threshold(heatmap)
    if threshold == "adaptive":
        return adaptive_threshold(heatmap, **adaptive)
    return threshold
