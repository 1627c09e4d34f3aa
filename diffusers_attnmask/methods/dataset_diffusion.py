"""Dataset Diffusion: class-prompt cross-attention spread by self-attention (Nguyen et al., NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.layers import PLACES, grid_at
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.recorder import PROMPT, SELF, WORDS, Reading
from diffusers_attnmask.methods.base import MaskMethod, model_levels
from diffusers_attnmask.methods.maps import class_means, min_max, upscaled
from diffusers_attnmask.methods.thresholds import label_between
from diffusers_attnmask.words.classes import ClassSpec

PUBLISHED_CROSS_LEVELS = (2,)  # 16 of a 64x64 latent grid
PUBLISHED_SELF_LEVEL = 1  # 32
SOURCES = {"alone": WORDS, "prompt": PROMPT}


def spread_map(cross: Tensor, self_attention: Tensor, power: int, grid: tuple[int, int]) -> Tensor:
    """Cross-attention (C, h, w), spread over self-attention (N, N) to a power: (C, *grid).

    Nguyen et al., eq. 5. Row i of the self-attention says where place i of the grid looks.
    """
    transition = torch.linalg.matrix_power(self_attention, power)
    flat = upscaled(cross, grid).flatten(1)
    return (flat @ transition.mT).unflatten(1, grid)


@dataclass(frozen=True, kw_only=True)
class DatasetDiffusion(MaskMethod):
    """Options of Dataset Diffusion; pixels between the two thresholds are uncertain (255).

    words: where the class words get their keys from: encoded `alone`, as published, or as they stand in the
    `prompt`.
    """

    name: ClassVar[str] = "dataset-diffusion"

    words: str = "alone"
    append_classes: bool = True
    cross_levels: tuple[int, ...] | None = None
    self_level: int = PUBLISHED_SELF_LEVEL
    places: tuple[str, ...] = PLACES
    power: int = 4
    certain: float = 0.6
    possible: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.words not in SOURCES:
            raise ValueError(f"words={self.words!r} is unknown: use one of {tuple(SOURCES)}")
        if not 0 <= self.possible <= self.certain <= 1:
            raise ValueError(f"thresholds need 0 <= possible {self.possible} <= certain {self.certain} <= 1")

    @property
    def source(self) -> str:
        return SOURCES[self.words]

    @property
    def reads_words(self) -> bool:
        return self.source == WORDS

    @property
    def reads_prompt(self) -> bool:
        return self.source == PROMPT

    def readings(self, levels: Collection[int]) -> tuple[Reading, ...]:
        return self.cross_reading(levels), self.self_reading()

    def cross_reading(self, levels: Collection[int]) -> Reading:
        levels = model_levels(self.cross_levels, PUBLISHED_CROSS_LEVELS, levels)
        return Reading(self.source, levels, self.places, False, self.steps, self.layers)

    def self_reading(self) -> Reading:
        return Reading(SELF, (self.self_level,), self.places, False, self.steps, self.layers)

    def sampling_prompt(self, prompt: str, specs: Sequence[ClassSpec]) -> str:
        return f"{prompt}; {class_prompt(specs)}" if self.append_classes and class_prompt(specs) else prompt

    def heatmaps(self, record: ImageRecord) -> Tensor:
        layers = [maps[0] for _, maps in record.cross_maps(self.cross_reading(record.cross_levels))]
        grid = grid_at(record.latent_size, self.self_level)
        cross = torch.stack([upscaled(maps, grid) for maps in layers]).mean(0)  # interpolation is linear
        spread = spread_map(
            class_means(cross, record.class_columns(self.source)),
            record.self_map(self.self_reading()),
            self.power,
            grid,
        )
        return upscaled(min_max(spread), record.image_size).clamp(0, 1)

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        return label_between(heatmaps, self.certain, self.possible)


def class_prompt(specs: Sequence[ClassSpec]) -> str:
    """The class words alone: `person car`."""
    return " ".join(spec.texts[0] for spec in specs if spec.texts)
