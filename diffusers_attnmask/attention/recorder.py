"""The state of one pipeline call: what is read for each image, and the running means so far."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from diffusers_attnmask.attention.concepts import ConceptStream
from diffusers_attnmask.attention.look import Layout, Look
from diffusers_attnmask.attention.readings import (
    Accumulator,
    ConceptSimilarity,
    Reading,
    RunningMean,
    count_spoilt,
)
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.tap import Comparison
from diffusers_attnmask.attention.token_query import QueryBatch, TokenQuery


@dataclass(frozen=True)
class Pass:
    """One forward pass of the denoiser, as its family reads it.

    rows: where in the batch the images under their prompts stand, in order. latent_size: of the images that
    are made. new_step: whether the pass begins a step of the sampling; guidance may take several.
    text_tokens: how many places of text the model was given; text_lengths: how many of them have text, by
    images, where the model goes by that. image_places: how many places the image fills, its padding included,
    where the model has any.
    """

    rows: slice
    latent_size: tuple[int, int]
    new_step: bool = True
    text_tokens: int = 0
    text_lengths: tuple[int, ...] = ()
    image_places: int | None = None


@dataclass(eq=False)
class Recorder:
    """queries: one per image, in the order of the batch's rows. layout: of a site in a pass, by the
    family.
    """

    sites: Sequence[Site]
    readings: Sequence[Reading]
    queries: Sequence[TokenQuery]
    total_steps: Callable[[], int | None]
    layout: Callable[[Site, Pass], Layout]
    stream: ConceptStream | None = None  # of concepts beside the text, where a reading needs it
    step: int = -1
    passing: Pass | None = None  # None while a pass runs that nothing is read from
    latent_size: tuple[int, int] = (0, 0)
    means: dict[Hashable, Accumulator] = field(default_factory=dict)
    crop: Callable[[Tensor], Tensor] | None = None  # of the images (n, C, H, W), where they are made larger
    block_inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of the blocks concepts pass
    batch: QueryBatch = field(init=False)
    order: Mapping[str, int] = field(init=False)  # of the sites

    def __post_init__(self) -> None:
        self.order = {site.name: place for place, site in enumerate(self.sites)}
        self.batch = QueryBatch(self.queries, self.stream)

    def begin_pass(self, passing: Pass | None) -> None:
        """Called before each pass of the denoiser."""
        self.passing = passing
        if passing is not None:
            self.latent_size = passing.latent_size
            self.step += passing.new_step
            if self.stream is not None:
                self.stream.begin_pass()

    @torch.no_grad()
    def add(self, site: Site, comparison: Comparison) -> None:
        """Add one site's comparison to the means of all images."""
        if self.passing is None:
            return
        total = self.total_steps() or self.step + 1
        active = [reading for reading in self.readings if reading.covers_step(self.step, total)]
        readings = {reading.key(site): reading for reading in active if reading.covers(site)}
        carries = self.stream is not None and any(
            isinstance(reading, ConceptSimilarity) and reading.listens(site, self.sites) for reading in active
        )
        if not readings and not carries:
            return
        layout = self.layout(site, self.passing)
        places = comparison.query.shape[2]
        if places < layout.places or (site.kind != "joint" and places > layout.places):
            height, width = layout.grid
            raise ValueError(
                f"{site.name} has {places} queries where its level has {height}x{width}: "
                "token merging and patched UNets cannot be read"
            )
        look = Look(site, comparison, self.passing.rows, layout, self.step + self.order[site.name])
        if carries and self.stream is not None:
            self.stream.advance(look, self.block_inputs[site.name])
        for key, reading in readings.items():
            self.means.setdefault(key, reading.start()).add(reading.value(look, self.batch))

    @property
    def nbytes(self) -> int:
        return sum(mean.nbytes for mean in self.means.values()) + self.batch.nbytes

    @property
    def skipped_maps(self) -> int:
        self.wait()
        return sum(mean.skipped for mean in self.means.values() if isinstance(mean, RunningMean))

    def wait(self) -> None:
        """Wait for the device, once before the maps are made."""
        count_spoilt([mean for mean in self.means.values() if isinstance(mean, RunningMean)])

    def settle(self) -> None:
        """Move what is kept off the device and forget what only recording needs."""
        self.wait()
        self.forget()
        for mean in self.means.values():
            if isinstance(mean, RunningMean):
                mean.to("cpu")

    def forget(self) -> None:
        """Let go of what only recording needs: the last comparison, inputs of blocks, keys of words."""
        self.batch.word_keys.clear()
        self.batch.last = (None, {})
        self.block_inputs.clear()
        if self.stream is not None:
            self.stream.begin_pass()
