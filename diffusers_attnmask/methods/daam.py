"""DAAM: every head's cross-attention, upscaled and averaged (Tang et al., ACL 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.readings import Reading, TextColumns
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.sites import Site, SiteChoice, text_levels
from diffusers_attnmask.attention.token_query import PROMPT
from diffusers_attnmask.ground.options import options
from diffusers_attnmask.methods.base import MaskMethod, Threshold, model_levels, model_places, threshold_mask
from diffusers_attnmask.methods.maps import class_means, min_max, upscaled

PUBLISHED_LEVELS = (0, 1, 2)  # 64, 32 and 16 of a 64x64 latent grid
PUBLISHED_PLACES = ("down", "up")


def daam_map(layers: Sequence[Tensor], latent_size: tuple[int, int]) -> Tensor:
    """Token maps (T, *latent_size) from the step means (heads, T, h, w) of the layers (Tang et al., eq. 6–8).

    Each head's map is upscaled to the latent grid and clamped at 0; all heads of all layers weigh the same.
    """
    total = reduce(torch.add, (upscaled(heads, latent_size).clamp(min=0).sum(0) for heads in layers))
    return total / sum(len(heads) for heads in layers)


@options(kw_only=True)
class Daam(MaskMethod):
    """Options of DAAM. The published threshold range is 0.3 to 0.5 of the maximum."""

    name: ClassVar[str] = "daam"
    reads_prompt: ClassVar[bool] = True
    source: ClassVar[str] = PROMPT

    levels: tuple[int, ...] | None = None
    places: tuple[str, ...] | None = None
    threshold: Threshold = 0.4

    def reading(self, sites: Sequence[Site]) -> TextColumns:
        levels = model_levels(self.levels, PUBLISHED_LEVELS, text_levels(sites))
        places = model_places(self.places, PUBLISHED_PLACES, sites)
        return TextColumns(
            SiteChoice(levels, places, names=self.layers), self.steps, self.source, per_head=True
        )

    def readings(self, sites: Sequence[Site]) -> tuple[Reading, ...]:
        return (self.reading(sites),)

    def claims(self, record: ImageRecord) -> Tensor:
        """The published heat maps, unscaled, on the latent grid: (C, h, w)."""
        layers = [heads for _, heads in record.by_site(self.reading(record.sites))]
        return class_means(daam_map(layers, record.latent_size), record.class_columns(self.source))

    def heatmaps(self, record: ImageRecord) -> Tensor:
        """The published maps brought to image size and stretched to [0, 1]."""
        return min_max(upscaled(self.claims(record), record.image_size))

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        return threshold_mask(heatmaps, self.threshold)
