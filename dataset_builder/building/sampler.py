"""What draws the images of a build: a prompt and a seed in, an image with its class maps out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.options import Fault, OptionsError


@dataclass(frozen=True)
class Sampled:
    """An image uint8 (H, W, 3), its class maps float32 (C, H, W), and the method's mask uint8 (H, W).

    The mask says i + 1 for the prompt's i-th class. blanked: by the safety checker. broken: the image held
    NaN, as half precision can give. features: AffinityNet's, float32 (D, h, w), where this process made them.
    objects: a number for each object of the mask, uint16 (H, W), where they are wanted. presence: how surely
    each of the prompt's classes is in the picture, float32 (C,), where the sampler tells.
    refined: the mask to keep, where this process has refined it. item: the prompt, where it is known only
    with the image.
    """

    image: np.ndarray
    heatmaps: np.ndarray
    mask: np.ndarray
    blanked: bool = False
    broken: bool = False
    features: np.ndarray | None = None
    objects: np.ndarray | None = None
    refined: np.ndarray | None = None
    item: PromptItem | None = None
    presence: np.ndarray | None = None


@dataclass(frozen=True)
class Refused:
    """A prompt that the model cannot take, or a picture; why in a sentence and in two words."""

    why: str
    reason: str = "prompt refused"


class Sampler(Protocol):
    """Draws one image per prompt and seed. `model` and `method` are the names for the dataset's columns.

    One whose images come with `presence` or `objects` has these names in a set `tells`.
    """

    @property
    def model(self) -> str: ...

    @property
    def method(self) -> str: ...

    def __call__(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]: ...


@dataclass(frozen=True)
class AroundSampler:
    """What stands around a sampler and adds to its images goes by the sampler's own names."""

    sampler: Sampler

    @property
    def model(self) -> str:
        return self.sampler.model

    @property
    def method(self) -> str:
        return self.sampler.method


MakeSampler = Callable[[Recipe], Sampler]


def check_told(sampler: Sampler, recipe: Recipe) -> None:
    """Raise where a recipe wants what the sampler does not tell of its images."""
    wanted = {
        "presence": "presence" if recipe.presence else None,
        "drop_absent": None if recipe.drop_absent is None else "presence",
        "instances": None if recipe.instances is None else "objects",
    }
    tells = getattr(sampler, "tells", ())
    faults = [
        Fault(key, f" needs a sampler that tells {what}, and {sampler.model!r} does not: leave {key} out")
        for key, what in wanted.items()
        if what is not None and what not in tells
    ]
    if faults:
        raise OptionsError(faults)
