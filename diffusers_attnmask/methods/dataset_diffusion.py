"""Dataset Diffusion: class-prompt cross-attention spread by self-attention (Nguyen et al., NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from diffusers_attnmask.attention.readings import ImageTransitions, Reading, TextColumns
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.sites import Site, SiteChoice, grid_at, image_levels, text_levels
from diffusers_attnmask.attention.token_query import PROMPT, WORDS
from diffusers_attnmask.ground.options import Count, NotNegative, Share, options
from diffusers_attnmask.methods.base import MaskMethod, model_levels
from diffusers_attnmask.methods.maps import blurred, class_means, min_max, spread_map, upscaled
from diffusers_attnmask.methods.thresholds import label_between
from diffusers_attnmask.words.classes import ClassSpec, class_prompt

PUBLISHED_CROSS_LEVELS = (2,)  # 16 of a 64x64 latent grid
PUBLISHED_SELF_LEVEL = 1  # 32
SOURCES = {"alone": WORDS, "prompt": PROMPT}
CROSS = "cross"  # the winner that may be blurred
FAINT = 1e-4  # claims below it are equal


def won(strength: Tensor, claims: Tensor) -> Tensor:
    """Class maps (C, H, W): the strength (H, W) of a place for its strongest claim, others in proportion."""
    claims = claims.clamp(min=FAINT)
    return strength * (claims / claims.amax(0))


@options(kw_only=True)
class DatasetDiffusion(MaskMethod):
    """Options of Dataset Diffusion; pixels between the two thresholds are uncertain (255).

    words: where the class words get their keys from: encoded `alone`, as published, or as they stand in the
    `prompt`. self_pool: squares of so many places to a side count as one, where the grid is too fine for a
    matrix of all its places. cross_layers: prefixes of the layers whose cross-attention counts, where
    they are not those of `layers`.

    winner: what parts the classes. Self-attention tells objects from the ground better than from one another:
    with "cross", spread maps say as before how surely a place is of some class, and cross-attention itself,
    `blur`red (a deviation in places of the grid), of which.
    """

    name: ClassVar[str] = "dataset-diffusion"

    words: Literal["alone", "prompt"] = "alone"
    append_classes: bool = True
    cross_levels: tuple[int, ...] | None = None
    cross_layers: tuple[str, ...] = ()
    self_level: int | None = None
    self_pool: Count = 1
    places: tuple[str, ...] = ()
    power: Count = 4
    winner: Literal["spread", "cross"] = "spread"
    blur: NotNegative | None = None
    certain: Share = 0.6
    possible: Share = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.possible > self.certain:
            raise ValueError(f"thresholds need possible {self.possible} <= certain {self.certain}")
        if self.blur is not None and self.winner != CROSS:
            raise ValueError(f"blur={self.blur} goes with winner={CROSS!r}: ask for both, or leave it out")

    @classmethod
    def merged(cls, own: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        """A model's own blur goes with its own winner."""
        kept = {key: value for key, value in own.items() if key != "blur"}
        return {**(own if asked.get("winner", CROSS) == CROSS else kept), **asked}

    @property
    def source(self) -> str:
        return SOURCES[self.words]

    @property
    def reads_words(self) -> bool:  # type: ignore[override]
        return self.source == WORDS

    @property
    def reads_prompt(self) -> bool:  # type: ignore[override]
        return self.source == PROMPT

    def readings(self, sites: Sequence[Site]) -> tuple[Reading, ...]:
        return self.cross_reading(sites), self.self_reading(sites)

    def cross_reading(self, sites: Sequence[Site]) -> TextColumns:
        levels = model_levels(self.cross_levels, PUBLISHED_CROSS_LEVELS, text_levels(sites))
        names = self.cross_layers or self.layers
        return TextColumns(SiteChoice(levels, self.places, names=names), self.steps, self.source)

    def self_reading(self, sites: Sequence[Site]) -> ImageTransitions:
        asked = None if self.self_level is None else (self.self_level,)
        levels = model_levels(asked, (PUBLISHED_SELF_LEVEL,), image_levels(sites), "self")
        return ImageTransitions(
            SiteChoice(levels, self.places, names=self.layers), self.steps, self.self_pool
        )

    def sampling_prompt(self, prompt: str, specs: Sequence[ClassSpec]) -> str:
        return f"{prompt}; {class_prompt(specs)}" if self.append_classes and class_prompt(specs) else prompt

    def grid(self, record: ImageRecord) -> tuple[int, int]:
        """Of the places that self-attention compares."""
        (level,) = self.self_reading(record.sites).choice.levels or ()
        return grid_at(grid_at(record.latent_size, 2**level), self.self_pool)

    def claims(self, record: ImageRecord) -> Tensor:
        layers = [maps[0] for _, maps in record.by_site(self.cross_reading(record.sites))]
        cross = torch.stack([upscaled(maps, self.grid(record)) for maps in layers]).mean(0)  # it is linear
        return class_means(cross, record.class_columns(self.source))

    def heatmaps(self, record: ImageRecord) -> Tensor:
        classes, grid = self.claims(record), self.grid(record)
        reading = self.self_reading(record.sites)
        spread = spread_map(classes, record.over_sites(reading), self.power, grid)
        maps = upscaled(min_max(spread), record.image_size).clamp(0, 1)
        if self.winner == "spread":
            return maps
        claims = min_max(blurred(classes, self.blur or 0.0))
        return won(maps.amax(0), upscaled(claims, record.image_size))

    def mask(self, heatmaps: Tensor, class_names: Sequence[str]) -> Tensor:
        return label_between(heatmaps, self.certain, self.possible)
