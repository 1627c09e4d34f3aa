"""Words that go through a transformer beside its text: they look at the image, and nothing looks at them.

So the image stays as it is to the bit, and any words can be asked for, also such as the prompt does not have
(ConceptAttention, Helbling et al., ICML 2025). A concept is one or several tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site


@dataclass(frozen=True, eq=False)
class Concepts:
    """The concepts of one image: the encoded tokens (T, D) of each, those of its classes first, then
    decoys.
    """

    tokens: tuple[Tensor, ...]


Carry = Callable[[Site, Tensor, Look, Mapping[str, Any], Tensor | None], tuple[Tensor, Tensor | None]]


@dataclass(eq=False)
class ConceptStream:
    """The concepts of all images on their way through one pass.

    embed: encoded tokens (n, W, D), and which are hidden, as the first block takes its text. carry: words
    through one block. Images with fewer tokens are padded, and their padding is hidden from the others.
    """

    concepts: Sequence[Concepts]
    embed: Callable[[Tensor, Tensor | None], Tensor]
    carry: Carry
    words: Tensor | None = None  # (n, W, D) before the next block; None before the first
    outputs: dict[str, Tensor] = field(default_factory=dict)  # of this pass, per site: (n, heads, W, d)

    def begin_pass(self) -> None:
        self.words = None
        self.outputs.clear()

    def advance(self, look: Look, inputs: Mapping[str, Any]) -> None:
        """Through the block of a site, whose image has just been compared with its text."""
        words = self.start(look) if self.words is None else self.words
        output, self.words = self.carry(look.site, words, look, inputs, self.hidden(look.query))
        self.outputs = {look.site.name: output}

    def start(self, look: Look) -> Tensor:
        return self.embed(self._padded.to(look.query), self.hidden(look.query))

    def hidden(self, like: Tensor) -> Tensor | None:
        """Additive mask (n, 1, 1, W) of the padding, where there is any."""
        if all(length == max(self._lengths) for length in self._lengths):
            return None
        places = torch.arange(max(self._lengths))
        lengths = torch.tensor(self._lengths)[:, None]
        mask = torch.zeros(len(self._lengths), max(self._lengths)).masked_fill(places >= lengths, -torch.inf)
        return mask[:, None, None].to(like)

    def membership(self, like: Tensor) -> Tensor:
        """(n, C, W): what a token counts in the mean of a concept; zero rows where an image has fewer
        concepts.
        """
        return self._membership.to(like)

    @cached_property
    def _lengths(self) -> list[int]:
        return [sum(map(len, own.tokens)) for own in self.concepts]

    @cached_property
    def _padded(self) -> Tensor:
        rows = [torch.cat(own.tokens) for own in self.concepts]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    @cached_property
    def _membership(self) -> Tensor:
        most = max(len(own.tokens) for own in self.concepts)
        found = torch.zeros(len(self.concepts), most, max(self._lengths))
        for rows, own in zip(found, self.concepts, strict=True):
            first = 0
            for row, tokens in zip(rows, own.tokens, strict=False):
                row[first : first + len(tokens)] = 1 / len(tokens)
                first += len(tokens)
        return found

    @property
    def nbytes(self) -> int:
        return 0 if self.words is None else self.words.nbytes


def output_similarity(concepts: Tensor, image: Tensor, membership: Tensor, normalised: bool) -> Tensor:
    """⟨concept output, image output⟩ over all heads, a concept the mean of its tokens: (n, C, Q), float32.

    concepts: (n, heads, W, d), image: (n, heads, Q, d), membership: (n, C, W). normalised: concept vectors
    have length 1 (as published for Stable Diffusion 3.5).
    """
    words = membership @ concepts.float().transpose(1, 2).flatten(2)  # (n, C, heads · d)
    if normalised:
        words = torch.nn.functional.normalize(words, dim=-1)
    return words @ image.float().transpose(1, 2).flatten(2).mT
