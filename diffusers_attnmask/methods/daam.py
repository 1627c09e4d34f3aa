"""DAAM: every head's cross-attention, upscaled and averaged (Tang et al., ACL 2023)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.recorder import PROMPT, Reading
from diffusers_attnmask.methods.base import (
    MaskMethod,
    Threshold,
    check_threshold,
    model_levels,
    threshold_mask,
)
from diffusers_attnmask.methods.maps import class_means, min_max, upscaled

PUBLISHED_LEVELS = (0, 1, 2)  # 64, 32 and 16 of a 64x64 latent grid
PUBLISHED_PLACES = ("down", "up")


def daam_map(layers: Sequence[Tensor], latent_size: tuple[int, int]) -> Tensor:
    """Token maps (T, *latent_size) from the step means (heads, T, h, w) of the layers (Tang et al., eq. 6–8).

    Each head's map is upscaled to the latent grid and clamped at 0; all heads of all layers weigh the same.
    """
    total = sum(upscaled(heads, latent_size).clamp(min=0).sum(0) for heads in layers)
    return total / sum(len(heads) for heads in layers)


@dataclass(frozen=True, kw_only=True)
class Daam(MaskMethod):
    """Options of DAAM. The published threshold range is 0.3 to 0.5 of the maximum."""

    name: ClassVar[str] = "daam"
    reads_prompt: ClassVar[bool] = True
    source: ClassVar[str] = PROMPT

    levels: tuple[int, ...] | None = None
    places: tuple[str, ...] = PUBLISHED_PLACES
    threshold: Threshold = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_threshold(self.threshold)

    def reading(self, levels: Collection[int]) -> Reading:
        levels = model_levels(self.levels, PUBLISHED_LEVELS, levels)
        return Reading(self.source, levels, self.places, True, self.steps, self.layers)

    def readings(self, levels: Collection[int]) -> tuple[Reading, ...]:
        return (self.reading(levels),)

    def latent_maps(self, record: ImageRecord) -> Tensor:
        """The published heat maps, unscaled, on the latent grid: (C, h, w)."""
        reading = self.reading(record.cross_levels)
        maps = daam_map([heads for _, heads in record.cross_maps(reading)], record.latent_size)
        return class_means(maps, record.class_columns(self.source))

    def heatmaps(self, record: ImageRecord) -> Tensor:
        """The published maps brought to image size and stretched to [0, 1]."""
        return min_max(upscaled(self.latent_maps(record), record.image_size))

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        return threshold_mask(heatmaps, self.threshold)
