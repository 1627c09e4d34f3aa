"""What a method may read of the attention, and the running means that come of it.

A reading says which sites and steps count and what is taken of each; equal readings are recorded once. All
images of a batch are read at once, and nothing waits for the device before the masks are made.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from diffusers_attnmask.attention.concepts import output_similarity
from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site, SiteChoice, listed
from diffusers_attnmask.attention.token_query import PROMPT, QueryBatch


class Accumulator(Protocol):
    """What a reading keeps: of every image, over sites and steps."""

    def add(self, value: Any) -> None: ...

    @property
    def nbytes(self) -> int: ...


class RunningMean:
    """The mean of maps (n, …) in float32; an image's map with a NaN or infinity is left out and counted."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.spoilt: Tensor | None = None  # (n,), on the device: no wait for it
        self.counted: list[int] | None = None  # the same, once somebody waited
        self.seen = 0

    def add(self, value: Tensor) -> None:
        sums = value.flatten(1).sum(1)
        spoilt = (sums - sums).ne(0)  # true of NaN and infinity alone
        value = value.masked_fill(spoilt.view(-1, *(1,) * (value.ndim - 1)), 0.0)
        if self.total is None or self.spoilt is None:
            self.total, self.spoilt = value, spoilt.int()
        else:
            self.total.add_(value)
            self.spoilt.add_(spoilt)
        self.counted = None
        self.seen += 1

    def mean(self, image: int) -> Tensor:
        """Of one image's finite maps."""
        if self.total is None:
            raise ValueError("nothing was added to this mean")
        count_spoilt([self])
        assert self.counted is not None
        kept = self.seen - self.counted[image]
        if kept == 0:
            raise ValueError(
                f"none of the {self.seen} attention maps of a layer was finite: sample in float32 or bfloat16"
            )
        return self.total[image] / kept

    @property
    def skipped(self) -> int:
        count_spoilt([self])
        return sum(self.counted or ())

    @property
    def nbytes(self) -> int:
        return 0 if self.total is None else self.total.nbytes

    def to(self, device: torch.device | str) -> None:
        if self.total is not None and self.spoilt is not None:
            self.total, self.spoilt = self.total.to(device), self.spoilt.to(device)


def count_spoilt(means: Sequence[RunningMean]) -> None:
    """Wait for the device once, for all means together."""
    waiting = [mean for mean in means if mean.counted is None and mean.spoilt is not None]
    if waiting:
        counts = torch.stack([mean.spoilt for mean in waiting if mean.spoilt is not None]).tolist()
        for mean, own in zip(waiting, counts, strict=True):
            mean.counted = own


@dataclass(frozen=True)
class Reading(ABC):
    """choice: the sites that count. steps: the part of the sampling that counts, as fractions."""

    kind: ClassVar[str] = "cross"  # of attention, in errors

    choice: SiteChoice = field(default_factory=SiteChoice)
    steps: tuple[float, float] = (0.0, 1.0)

    @abstractmethod
    def wants(self, site: Site) -> bool:
        """Whether a site has at all what is read."""

    @abstractmethod
    def key(self, site: Site) -> Hashable:
        """Which accumulator a site adds to; equal keys of several readings are recorded once."""

    @abstractmethod
    def value(self, look: Look, queries: QueryBatch) -> Any:
        """What is taken of one look."""

    def start(self) -> Accumulator:
        return RunningMean()

    def covers(self, site: Site) -> bool:
        return self.wants(site) and self.choice.covers(site)

    def listens(self, site: Site, sites: Sequence[Site]) -> bool:
        """Whether a site has to be heard at all: more than are read, where words pass through all of them."""
        return self.covers(site)

    def check(self, sites: Sequence[Site]) -> None:
        """Refuse to read what none of a model's sites has."""
        if not any(self.covers(site) for site in sites):
            known = [site for site in sites if self.wants(site)]
            raise ValueError(
                f"no {self.kind}-attention layer fits {self.choice}; the model has: {listed(known) or 'none'}"
            )

    def covers_step(self, step: int, total: int) -> bool:
        """Whether a step counts; where the window falls between two steps, the nearest one does."""
        first, last = math.ceil(self.steps[0] * total), math.ceil(self.steps[1] * total)
        if first >= last:
            first = min(first, total - 1)
            last = first + 1
        return first <= step < last


@dataclass(frozen=True)
class TextColumns(Reading):
    """Attention of the image to the tokens of the classes: (n, heads or 1, T, h, w).

    source: "prompt" reads the prompt's own tokens, "words" any words encoded beside it.
    """

    source: str = PROMPT
    per_head: bool = False

    def wants(self, site: Site) -> bool:
        return site.reads_text if self.source == PROMPT else site.reads_words

    def check(self, sites: Sequence[Site]) -> None:
        if self.source != PROMPT and not any(map(self.wants, sites)):
            carried = any(site.block is not None for site in sites)
            other = "'concept-attention', which reads any" if carried else "'daam', which reads the prompt's"
            timed = any(site.timed for site in sites)
            instead = "changes the text with the time first" if timed else "compares them in one row"
            raise ValueError(
                "words beside the prompt are read where image and text are compared apart, and this model "
                f"{instead}: use mask_method={other} words"
            )
        super().check(sites)

    def key(self, site: Site) -> Hashable:
        return site.name, self.source, self.per_head, self.steps

    def value(self, look: Look, queries: QueryBatch) -> Tensor:
        columns = queries.columns(look, self.source)
        columns = columns if self.per_head else columns.mean(1, keepdim=True)
        return columns.unflatten(-1, look.grid)


@dataclass(frozen=True)
class ImageTransitions(Reading):
    """Attention of the image to itself, over heads and over all sites that are covered: (n, N, N).

    pool: pool × pool places count as one.
    """

    kind: ClassVar[str] = "self"

    pool: int = 1

    def wants(self, site: Site) -> bool:
        return site.reads_image

    def key(self, site: Site) -> Hashable:
        return self

    def value(self, look: Look, queries: QueryBatch) -> Tensor:
        return look.transitions(self.pool)


@dataclass(frozen=True)
class ConceptSimilarity(Reading):
    """How alike the attention outputs of the image and of concepts are, (n, C, h, w), by site.

    normalised: concept vectors have length 1. each: softmax over the concepts at every step and site, as
    published for FLUX.1; else it comes after the mean.
    """

    kind: ClassVar[str] = "joint"

    normalised: bool = False
    each: bool = True

    def wants(self, site: Site) -> bool:
        return site.kind == "joint" and site.block is not None

    def check(self, sites: Sequence[Site]) -> None:
        if not any(map(self.wants, sites)):
            apart = any(site.reads_words for site in sites)
            other = "'ovam', which reads any" if apart else "'daam', which reads the prompt's"
            raise ValueError(
                "concepts go beside the text of a transformer that compares image and text in one row with "
                f"weights for each, and this model does not: use mask_method={other} words"
            )
        super().check(sites)

    def listens(self, site: Site, sites: Sequence[Site]) -> bool:
        last = max((own.depth for own in sites if self.covers(own)), default=-1.0)
        return self.wants(site) and site.depth <= last

    def key(self, site: Site) -> Hashable:
        return ConceptSimilarity, site.name, self.normalised, self.each, self.steps

    def value(self, look: Look, queries: QueryBatch) -> Tensor:
        stream = queries.stream
        assert stream is not None
        outputs = stream.outputs[look.site.name]
        membership = stream.membership(outputs.float())
        found = output_similarity(outputs, look.output, membership, self.normalised)
        if self.each:
            absent = membership.sum(-1, keepdim=True).eq(0)
            found = found.masked_fill(absent, -torch.inf).softmax(1)
        return found.unflatten(-1, look.grid)
