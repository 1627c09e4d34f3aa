"""GoCA: heads and layers weighted by agreement, text rescaled at every place (Meng et al., CVPR 2026)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.agreement import AgreeingColumns, CellTransitions, OutputAffinity
from diffusers_attnmask.attention.readings import ImageTransitions, Reading
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.sites import Site, SiteChoice, grid_at, image_levels
from diffusers_attnmask.attention.token_query import PROMPT
from diffusers_attnmask.ground.options import Count, NotNegative, Share, options
from diffusers_attnmask.methods.base import MaskMethod, Threshold, model_levels, names_within, threshold_mask
from diffusers_attnmask.methods.maps import blurred, class_means, min_max, spread_map, upscaled

PUBLISHED_STEPS = (0.9, 1.0)  # one pass at t = 100 of 1000
PUBLISHED_POWER = 2
REFERENCE_DEPTH = 0.6  # of a UNet: the end of the first upward block that attends
SELF_LEVEL = 1  # 32 of a 64x64 latent grid
SMALLEST = 1e-6  # share of content in a place's attention


def layer_weights(transitions: Sequence[Tensor], reference: Tensor) -> Tensor:
    """How alike the self-attention of each layer and the reference affinity are, as shares: (layers,).

    Meng et al., layer-wise aggregation: w_m = ⟨A_p', A_self,m'⟩ of matrices (cells, cells) of length 1, over
    the sum of all w.
    """
    flat = torch.stack([*transitions, reference]).flatten(1)
    flat = torch.nn.functional.normalize(flat, dim=1)
    agreement = flat[:-1] @ flat[-1]
    return agreement / agreement.sum()


def aggregated(layers: Sequence[Tensor], weights: Tensor, size: tuple[int, int]) -> Tensor:
    """The weighted sum (1 + T, *size) of the layers' maps (1 + T, h, w), A = Σ w_m A_m."""
    return reduce(torch.add, (own * upscaled(maps, size) for own, maps in zip(weights, layers, strict=True)))


def rescaled(classes: Tensor, content: Tensor, has_other: Sequence[bool]) -> Tensor:
    """Each class's share of the content's attention, place by place: (C, h, w) in [0, 1].

    Meng et al., per-pixel rescaling: A'(i, q) = A(i, q) / Σ_j A(i, q_j) over the content tokens. Weights of
    heads may be negative, so that the sums are held to their range. A class that is all the content there is
    has a share of 1 throughout, which tells nothing: it keeps its map.
    """
    shares = (classes.clamp(min=0) / content.clamp(min=SMALLEST)).clamp(max=1)
    told = torch.tensor(has_other, device=classes.device)[:, None, None]
    return torch.where(told, shares, classes)


@options(kw_only=True)
class Goca(MaskMethod):
    """Options of GoCA.

    Within a layer, a head's weight at a place is ⟨its output, the layer's output⟩; a layer's weight is the
    agreement of its self-attention with a reference affinity. The classes' columns are divided by those of
    all content, blurred, stretched to [0, 1], and spread by self-attention `power` times.

    The publication takes the affinity from dense features of the model and leaves open which: here it is the
    likeness of the attention outputs at `reference`, the depth of a site among those that compare the image
    with itself, 0 the first and 1 the last. A layer's self-attention is that of the same site, or of the last
    one before it, over 8 × 8 cells. blur: deviation in places of the grid of `self_level`, which the
    publication does not tell either; nor does it tell how classes of several tokens are read: their mean.
    rescale: divide by the content at all. The publication's prompts name all that a picture shows, its
    background included; where a prompt names objects alone, their shares say little outside of them. Nor is
    there a word that takes what is no class, hence the threshold, over maps that are stretched once more.
    """

    name: ClassVar[str] = "goca"
    reads_prompt: ClassVar[bool] = True

    steps: tuple[float, float] = PUBLISHED_STEPS
    reference: Share = REFERENCE_DEPTH
    rescale: bool = True
    blur: NotNegative = 1.0
    self_level: int | None = None
    self_pool: Count = 1
    power: Count = PUBLISHED_POWER
    threshold: Threshold = 0.6

    def readings(self, sites: Sequence[Site]) -> tuple[Reading, ...]:
        spreading = self.spread_reading(sites)  # refuses a model without self-attention
        return (
            spreading,
            self.columns_reading(),
            self.affinity_reading(sites),
            self.partners_reading(sites),
        )

    def spread_reading(self, sites: Sequence[Site]) -> ImageTransitions:
        asked = None if self.self_level is None else (self.self_level,)
        levels = model_levels(asked, (SELF_LEVEL,), image_levels(sites), "self")
        return ImageTransitions(SiteChoice(levels, names=self.layers), self.steps, self.self_pool)

    def columns_reading(self) -> AgreeingColumns:
        return AgreeingColumns(SiteChoice(names=self.layers), self.steps)

    def affinity_reading(self, sites: Sequence[Site]) -> OutputAffinity:
        names = names_within([site for site in sites if site.reads_image], (self.reference, self.reference))
        return OutputAffinity(SiteChoice(names=names), self.steps)

    def partners_reading(self, sites: Sequence[Site]) -> CellTransitions:
        return CellTransitions(
            SiteChoice(names=tuple(site.name for site in self.partners(sites))), self.steps
        )

    def partners(self, sites: Sequence[Site]) -> list[Site]:
        """For each site that is read, the one whose self-attention speaks for it: the last so far."""
        columns, found, last = self.columns_reading(), [], next(site for site in sites if site.reads_image)
        for site in sites:
            last = site if site.reads_image else last
            if columns.covers(site):
                found.append(last)
        return found

    def grid(self, record: ImageRecord) -> tuple[int, int]:
        """Of the places that self-attention compares."""
        (level,) = self.spread_reading(record.sites).choice.levels or ()
        return grid_at(grid_at(record.latent_size, 2**level), self.self_pool)

    def columns(self, record: ImageRecord) -> tuple[Tensor, Tensor]:
        """Maps of all content (1, h, w) and of the classes (C, h, w)."""
        sites = record.sites
        transitions = dict(record.by_site(self.partners_reading(sites)))
        weights = layer_weights(
            [transitions[partner] for partner in self.partners(sites)],
            record.over_sites(self.affinity_reading(sites)),
        )
        layers = [maps for _, maps in record.by_site(self.columns_reading())]
        found = aggregated(layers, weights, self.grid(record))
        content, tokens = found.split([1, len(layers[0]) - 1])
        return content, class_means(tokens, record.class_columns(PROMPT))

    def claims(self, record: ImageRecord) -> Tensor:
        return self.columns(record)[1]

    def heatmaps(self, record: ImageRecord) -> Tensor:
        content, classes = self.columns(record)
        if self.rescale:
            classes = rescaled(classes, content, record.has_other_content())
        among_image = record.over_sites(self.spread_reading(record.sites))
        maps = min_max(blurred(classes, self.blur))
        spread = spread_map(maps, among_image, self.power, self.grid(record))
        return upscaled(min_max(spread), record.image_size).clamp(0, 1)

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        return threshold_mask(heatmaps, self.threshold)
