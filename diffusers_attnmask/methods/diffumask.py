"""DiffuMask: cross-attention of the prompt's words over several resolutions (Wu et al., ICCV 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.readings import Reading, TextColumns
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.sites import Site, SiteChoice, text_levels
from diffusers_attnmask.attention.token_query import PROMPT
from diffusers_attnmask.ground.options import Share, options
from diffusers_attnmask.methods.base import MaskMethod, Threshold, model_levels, threshold_of
from diffusers_attnmask.methods.maps import class_means, upscaled
from diffusers_attnmask.methods.thresholds import label_above

PUBLISHED_LEVELS = (2, 1, 0)  # 16, 32 and 64 of a 64x64 latent grid
PUBLISHED_BOUNDS = (0.45, 0.53)


def diffumask_map(levels: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
    """Class maps (C, *image_size) from one mean map (C, h, w) per level (Wu et al., eq. 4–5).

    Each level is upscaled to the image and divided by its maximum, then the levels are averaged.
    """
    full = torch.stack([upscaled(maps, image_size) for maps in levels])
    return (full / full.amax((-2, -1), keepdim=True)).mean(0)


@options(kw_only=True)
class DiffuMask(MaskMethod):
    """Options of DiffuMask.

    class_levels: levels of single classes, as published for sofa, train and tvmonitor (3,) and diningtable
    (2,). bounds: where the adaptive threshold is sought; class_bounds: the same for single classes.
    min_share: the part of the image that foreground and background must each hold.
    """

    name: ClassVar[str] = "diffumask"
    reads_prompt: ClassVar[bool] = True

    levels: tuple[int, ...] | None = None
    class_levels: Mapping[str, Sequence[int]] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    threshold: Threshold = "adaptive"
    bounds: tuple[Share, Share] = PUBLISHED_BOUNDS
    class_bounds: Mapping[str, Sequence[Share]] = field(default_factory=dict)
    min_share: Share = 0.06

    def readings(self, sites: Sequence[Site]) -> tuple[Reading, ...]:
        available = text_levels(sites)
        wanted = set(model_levels(self.levels, PUBLISHED_LEVELS, available))
        for own in self.class_levels.values():
            wanted.update(model_levels(own, (), available))
        return tuple(self.reading(level) for level in sorted(wanted))

    def reading(self, level: int) -> TextColumns:
        return TextColumns(SiteChoice((level,), self.places, names=self.layers), self.steps)

    def claims(self, record: ImageRecord) -> Tensor:
        size = record.latent_size
        maps = [torch.cat([upscaled(own, size) for own in levels]) for levels in self.level_maps(record)]
        return torch.stack([levels.mean(0) for levels in maps])

    def heatmaps(self, record: ImageRecord) -> Tensor:
        maps = [diffumask_map(levels, record.image_size) for levels in self.level_maps(record)]
        return torch.cat(maps).clamp(0, 1)  # bicubic interpolation undershoots

    def level_maps(self, record: ImageRecord) -> Iterator[list[Tensor]]:
        """Of each class, its map (1, h, w) at each of its levels."""
        columns, available = record.class_columns(PROMPT), text_levels(record.sites)
        for index, spec in enumerate(record.specs):
            asked = self.class_levels.get(spec.name, self.levels)
            levels = model_levels(asked, PUBLISHED_LEVELS, available)
            yield [self.level_map(record, level, columns[index]) for level in levels]

    def level_map(self, record: ImageRecord, level: int, columns: Sequence[int]) -> Tensor:
        """One class averaged over its tokens and over the layers of a level: (1, h, w)."""
        layers = [maps for _, maps in record.by_site(self.reading(level))]
        return class_means(torch.stack(layers).mean((0, 1)), [columns])

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        thresholds = [
            threshold_of(
                heatmap,
                self.threshold,
                bounds=tuple(self.class_bounds.get(name, self.bounds)),
                min_share=self.min_share,
            )
            for heatmap, name in zip(heatmaps, class_names[1:], strict=True)
        ]
        return label_above(heatmaps, thresholds)
