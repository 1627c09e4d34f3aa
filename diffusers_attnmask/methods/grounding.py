"""Grounding: the text's columns at the few sites that ground words best (Seg4Diff, NeurIPS 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.readings import Reading, TextColumns
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.sites import Site, SiteChoice
from diffusers_attnmask.attention.token_query import PROMPT
from diffusers_attnmask.ground.options import Share, options
from diffusers_attnmask.methods.base import MaskMethod, Threshold, names_within, threshold_mask
from diffusers_attnmask.methods.maps import class_means, min_max, upscaled

PUBLISHED_DEPTH = (9 / 23, 9 / 23)  # block 9 of the 24 of Stable Diffusion 3


@options(kw_only=True)
class Grounding(MaskMethod):
    """Options of grounding: softmax columns of the prompt's words at one site, or at a few, averaged.

    depth: the span of the sites that read text, 0 the first and 1 the last; the nearest one where none lies
    within. `layers` names sites instead. Which site grounds best is a property of a model, and belongs to its
    settings.
    """

    name: ClassVar[str] = "grounding"
    reads_prompt: ClassVar[bool] = True

    depth: tuple[Share, Share] = PUBLISHED_DEPTH
    threshold: Threshold = 0.4

    def reading(self, sites: Sequence[Site]) -> TextColumns:
        everywhere = TextColumns(SiteChoice(names=self.layers), self.steps)
        if self.layers:
            return everywhere
        names = names_within([site for site in sites if everywhere.covers(site)], self.depth)
        return replace(everywhere, choice=SiteChoice(names=names)) if names else everywhere

    def readings(self, sites: Sequence[Site]) -> tuple[Reading, ...]:
        return (self.reading(sites),)

    def claims(self, record: ImageRecord) -> Tensor:
        sites = [
            upscaled(maps[0], record.latent_size) for _, maps in record.by_site(self.reading(record.sites))
        ]
        return class_means(torch.stack(sites).mean(0), record.class_columns(PROMPT))

    def heatmaps(self, record: ImageRecord) -> Tensor:
        return min_max(upscaled(self.claims(record), record.image_size))

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        return threshold_mask(heatmaps, self.threshold)
