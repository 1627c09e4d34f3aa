"""Running means of attention probabilities: only the layers, tokens and steps that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from diffusers_attnmask.attention.layers import PLACES, AttentionLayer, grid_at
from diffusers_attnmask.attention.probabilities import (
    mean_over_heads,
    one_image,
    project_keys,
    token_probabilities,
)
from diffusers_attnmask.attention.tap import AttentionCall

PROMPT, WORDS, SELF = "prompt", "words", "self"


@dataclass(frozen=True)
class Reading:
    """What a method reads of the attention.

    source: "prompt" compares with the layer's own keys, "words" with keys of any words, "self" with the
    image. steps: the part of the sampling that counts, as fractions. layers: name prefixes, none for all.
    """

    source: str
    levels: tuple[int, ...]
    places: tuple[str, ...] = PLACES
    per_head: bool = False
    steps: tuple[float, float] = (0.0, 1.0)
    layers: tuple[str, ...] = ()

    def covers(self, layer: AttentionLayer) -> bool:
        return (
            layer.cross == (self.source != SELF)
            and layer.level in self.levels
            and layer.place in self.places
            and (not self.layers or layer.name.startswith(self.layers))
        )

    def check(self, layers: Sequence[AttentionLayer]) -> None:
        """Refuse to read what none of a model's layers has."""
        if any(self.covers(layer) for layer in layers):
            return
        asked = f"layers={list(self.layers)}, places={list(self.places)}, levels={list(self.levels)}"
        cross = self.source != SELF
        known = ", ".join(f"{layer.name} (level {layer.level})" for layer in layers if layer.cross == cross)
        raise ValueError(
            f"no {'cross' if cross else 'self'}-attention layer fits {asked}; the model has: {known}"
        )

    def covers_step(self, step: int, total: int) -> bool:
        first, last = self.steps
        return first * total <= step < last * total


@dataclass(frozen=True, eq=False)
class Words:
    """Encoded words: context (S, D) as the UNet's cross-attention takes it, and the positions to read."""

    context: Tensor
    positions: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TokenQuery:
    """The tokens of one image's classes.

    prompt: positions in its prompt; words: encoded words beside the prompt. `*_columns` tell, per class,
    which of the recorded columns are its own.
    """

    prompt: tuple[int, ...] = ()
    prompt_columns: tuple[tuple[int, ...], ...] = ()
    words: tuple[Words, ...] = ()
    words_columns: tuple[tuple[int, ...], ...] = ()

    def columns(self, source: str) -> tuple[tuple[int, ...], ...]:
        return self.prompt_columns if source == PROMPT else self.words_columns


class RunningMean:
    """The mean of maps in float32; a map with a NaN or infinity is left out and counted."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.kept: Tensor | int = 0
        self.seen = 0

    def add(self, value: Tensor) -> None:
        finite = torch.isfinite(value).all()  # stays on the device: no wait for it
        self.total = self.total + torch.where(finite, value, 0.0)
        self.kept = self.kept + finite
        self.seen += 1

    @property
    def skipped(self) -> int:
        return self.seen - int(self.kept)

    def mean(self) -> Tensor:
        if self.skipped == self.seen:
            raise ValueError(
                f"none of the {self.seen} attention maps of a layer was finite: sample in float32 or bfloat16"
            )
        return self.total / self.kept

    @property
    def nbytes(self) -> int:
        return self.total.nbytes if isinstance(self.total, Tensor) else 0


@dataclass(frozen=True)
class Slot:
    """Which running mean a map belongs to: a layer's, or all self-attention layers' of a level."""

    image: int
    source: str
    where: str | int
    per_head: bool = False
    steps: tuple[float, float] = (0.0, 1.0)
    layers: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


def slot_of(reading: Reading, layer: AttentionLayer, image: int) -> Slot:
    if reading.source == SELF:
        return Slot(
            image, SELF, layer.level, steps=reading.steps, layers=reading.layers, places=reading.places
        )
    return Slot(image, reading.source, layer.name, reading.per_head, reading.steps)


@dataclass(eq=False)
class Recorder:
    """The state of one pipeline call: what to read for each image, and the running means so far.

    queries: one per image, in the order of the conditional half of the batch.
    """

    layers: Sequence[AttentionLayer]
    readings: Sequence[Reading]
    queries: Sequence[TokenQuery]
    total_steps: Callable[[], int | None]
    latent_size: tuple[int, int] = (0, 0)
    step: int = -1
    means: dict[Slot, RunningMean] = field(default_factory=dict)
    word_keys: dict[tuple[str, int], Tensor] = field(default_factory=dict)

    def begin_step(self, latents: Tensor) -> None:
        """Called before each pass of the UNet with its latents (B, C, h, w)."""
        images = len(self.queries)
        if len(latents) not in (images, 2 * images):
            raise ValueError(
                f"the UNet was given {len(latents)} latents for {images} images: masks are read from plain "
                "sampling and from classifier-free guidance with two halves"
            )
        self.latent_size = tuple(latents.shape[-2:])
        self.step += 1

    @torch.no_grad()
    def add(self, layer: AttentionLayer, call: AttentionCall) -> None:
        """Add one layer's comparison at one step to the means of every image."""
        total = self.total_steps() or self.step + 1
        readings = [r for r in self.readings if r.covers(layer) and r.covers_step(self.step, total)]
        if not readings:
            return
        height, width = grid_at(self.latent_size, layer.level)
        if call.query.shape[2] != height * width:
            raise ValueError(
                f"{layer.name} has {call.query.shape[2]} queries where its level has {height}x{width}: "
                "token merging and patched UNets cannot be read"
            )
        first = len(call.query) - len(self.queries)  # guidance puts the conditional half last
        for image, query in enumerate(self.queries):
            own = one_image(call, first + image)
            for source in {reading.source for reading in readings}:
                maps = self.maps(layer, own, source, query)
                if source != SELF:
                    maps = maps.unflatten(-1, (height, width))
                for slot in {slot_of(r, layer, image) for r in readings if r.source == source}:
                    kept = maps if slot.per_head or source == SELF else maps.mean(0, keepdim=True)
                    self.means.setdefault(slot, RunningMean()).add(kept)

    def maps(self, layer: AttentionLayer, call: AttentionCall, source: str, query: TokenQuery) -> Tensor:
        """(heads, T, Q) for the tokens of a source, (N, N) over all heads for self-attention."""
        if source == SELF:
            return mean_over_heads(call)
        if source == PROMPT:
            return token_probabilities(call, query.prompt)
        return torch.cat([self.word_maps(layer, call, words) for words in query.words], dim=1)

    def word_maps(self, layer: AttentionLayer, call: AttentionCall, words: Words) -> Tensor:
        """The image compared with other words, by the layer's own key projection: (heads, T, Q)."""
        known = (layer.name, id(words.context))
        if known not in self.word_keys:  # keys do not depend on the step
            self.word_keys[known] = project_keys(layer.module, words.context, call.query)
        return token_probabilities(
            AttentionCall(call.query, self.word_keys[known], call.scale), words.positions
        )

    @property
    def nbytes(self) -> int:
        return sum(mean.nbytes for mean in self.means.values()) + sum(
            key.nbytes for key in self.word_keys.values()
        )

    @property
    def skipped_maps(self) -> int:
        return sum(mean.skipped for mean in self.means.values())
