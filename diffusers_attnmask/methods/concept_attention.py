"""ConceptAttention: words beside the text, found where the image's attention outputs are like theirs (ICML
2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.readings import ConceptSimilarity, Reading
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.sites import Site, SiteChoice
from diffusers_attnmask.ground.options import Share, options
from diffusers_attnmask.methods.base import MaskMethod, Threshold, names_within, threshold_mask
from diffusers_attnmask.methods.maps import upscaled

PUBLISHED_DECOYS = ("background", "floor", "tree", "person", "grass", "face")


def against_decoys(concepts: Tensor, classes: int) -> Tensor:
    """Of each class, its share against the strongest decoy: (C, H, W) of probabilities (C', H, W), C' >= C.

    Above one half a class is more likely than all decoys. Without decoys the probabilities stay as they are.
    """
    own, decoys = concepts[:classes], concepts[classes:]
    if not len(decoys):
        return own
    return own / (own + decoys.amax(0)).clamp(min=1e-12)


@options(kw_only=True)
class ConceptAttention(MaskMethod):
    """Options of ConceptAttention (Helbling et al. 2025).

    decoys: words that take what no class is; those that are classes themselves are left out. depth: the span
    of sites that is read, 0 the first and 1 the last; words pass through all before. normalised: concept
    vectors have length 1. each: softmax at every step and site, else after the mean.
    """

    name: ClassVar[str] = "concept-attention"
    reads_concepts: ClassVar[bool] = True

    decoys: tuple[str, ...] = PUBLISHED_DECOYS
    depth: tuple[Share, Share] = (0.0, 1.0)
    normalised: bool = False
    each: bool = True
    threshold: Threshold = 0.5

    @property
    def concept_decoys(self) -> tuple[str, ...]:
        return self.decoys

    def reading(self, sites: Sequence[Site]) -> ConceptSimilarity:
        everywhere = ConceptSimilarity(SiteChoice(names=self.layers), self.steps, self.normalised, self.each)
        names = names_within([site for site in sites if everywhere.covers(site)], self.depth)
        return replace(everywhere, choice=SiteChoice(names=names)) if names else everywhere

    def readings(self, sites: Sequence[Site]) -> tuple[Reading, ...]:
        return (self.reading(sites),)

    def probabilities(self, record: ImageRecord) -> Tensor:
        """Of all concepts, decoys after the classes: (C', h, w)."""
        found = torch.stack([maps for _, maps in record.by_site(self.reading(record.sites))]).mean(0)
        found = found[: record.concepts]
        return found if self.each else found.softmax(0)

    def claims(self, record: ImageRecord) -> Tensor:
        return self.probabilities(record)[: len(record.specs)]

    def heatmaps(self, record: ImageRecord) -> Tensor:
        found = upscaled(self.probabilities(record), record.image_size).clamp(0, 1)
        return against_decoys(found, len(record.specs))

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        return threshold_mask(heatmaps, self.threshold)
