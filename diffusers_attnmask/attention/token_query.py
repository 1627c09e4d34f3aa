"""The tokens that are read for the images of a call: of their prompts, and of words encoded beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from diffusers_attnmask.attention.concepts import Concepts, ConceptStream
from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.probabilities import (
    CHUNK,
    column_probabilities,
    project_keys,
    row_logsumexp,
)

PROMPT, WORDS, UNPADDED = "prompt", "words", "words without padding"


@dataclass(frozen=True, eq=False)
class Words:
    """Encoded words: context (S, D) as the model takes its text, the positions to read, and how many of the S
    are no padding.
    """

    context: Tensor
    positions: tuple[int, ...]
    length: int


@dataclass(frozen=True, eq=False)
class TokenQuery:
    """The tokens of one image's classes.

    prompt: positions in its prompt; words: encoded words beside the prompt. `*_columns` tell, per class,
    which of the recorded columns are its own; of the words, as (which of `words`, which of its positions).
    content: positions of all of the prompt's words that mean something, those of the classes included.
    concepts: words that go through a transformer beside its text.
    """

    prompt: tuple[int, ...] = ()
    prompt_columns: tuple[tuple[int, ...], ...] = ()
    words: tuple[Words, ...] = ()
    words_columns: tuple[tuple[tuple[int, int], ...], ...] = ()
    content: tuple[int, ...] = ()
    concepts: Concepts | None = None


@dataclass(eq=False)
class QueryBatch:
    """The queries of all images of a call, read together.

    Images may ask for different numbers of tokens: shorter ones repeat their last, and nobody looks at that.
    """

    queries: Sequence[TokenQuery]
    stream: ConceptStream | None = None
    word_keys: dict[str, list[WordKeys]] = field(default_factory=dict)  # per site: they do not change
    last: tuple[Look | None, dict[str, Tensor]] = (None, {})

    def columns(self, look: Look, source: str) -> Tensor:
        """Probabilities of the tokens of a source in the rows of the image: (n, heads, T, Q)."""
        if self.last[0] is not look:
            self.last = (look, {})
        found = self.last[1]
        if source not in found:
            found[source] = (
                self._prompt_columns(look) if source == PROMPT else self._word_columns(look, source == WORDS)
            )
        return found[source]

    def content_columns(self, look: Look, weights: Tensor) -> Tensor:
        """The content of the prompts, heads summed by weights (n, heads, Q): (n, 1 + T, Q).

        First all content together, then the tokens of the classes. A prompt may have hundreds of tokens: they
        are taken in portions.
        """
        positions = self._on(weights.device, "content", [query.content for query in self.queries])
        portion = max(1, CHUNK // weights.numel())
        parts = [
            chosen @ (look.columns(places) * weights[:, :, None]).sum(1)
            for places, chosen in zip(
                positions.split(portion, -1), self._chosen(weights.device).split(portion, -1), strict=True
            )
        ]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)

    def _chosen(self, device: torch.device) -> Tensor:
        """Which content goes into the columns of `content_columns`: (n, 1 + T, content)."""
        if ("chosen", device) not in self._positions:
            most = max(len(query.prompt) for query in self.queries)
            longest = max(len(query.content) for query in self.queries)
            found = torch.zeros(len(self.queries), 1 + most, longest)
            for rows, query in zip(found, self.queries, strict=True):
                rows[0, : len(query.content)] = 1
                for row, position in zip(rows[1:], query.prompt, strict=False):
                    row[query.content.index(position)] = 1
            self._positions["chosen", device] = found.to(device)
        return self._positions["chosen", device]

    def class_columns(self, image: int, source: str) -> tuple[tuple[int, ...], ...]:
        """Per class of an image, which of the T columns are its tokens."""
        query = self.queries[image]
        if source == PROMPT:
            return query.prompt_columns
        return tuple(
            tuple(self._word_starts[own] + place for own, place in each) for each in query.words_columns
        )

    @property
    def nbytes(self) -> int:
        keys = sum(own.keys.nbytes for site in self.word_keys.values() for own in site)
        return keys + (self.stream.nbytes if self.stream else 0)

    def _prompt_columns(self, look: Look) -> Tensor:
        return look.columns(self._prompt_positions(look.query.device))

    def _prompt_positions(self, device: torch.device) -> Tensor:
        return self._on(device, "prompt", [query.prompt for query in self.queries])

    def _word_columns(self, look: Look, padded: bool) -> Tensor:
        if look.site.name not in self.word_keys:
            self.word_keys[look.site.name] = self._project(look)
        parts = [own.columns(look, padded) for own in self.word_keys[look.site.name]]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)

    def _project(self, look: Look) -> list[WordKeys]:
        """The words as the site's own key projection takes them, every text once."""
        heads = look.query.shape[1]
        made = []
        for slot in range(self._slots):
            own = [query.words[min(slot, len(query.words) - 1)] for query in self.queries]
            texts = list({id(words.context): words.context for words in own}.values())
            longest = max(map(len, texts))
            context = torch.stack([_padded(text, longest) for text in texts]).to(look.query)
            keys = project_keys(look.site.module, context, heads)
            which = [next(i for i, text in enumerate(texts) if text is words.context) for words in own]
            each = keys[which] if len(texts) > 1 else keys.expand(len(own), -1, -1, -1)
            positions = self._on(keys.device, f"words {slot}", [words.positions for words in own])
            absent = _hidden_beyond([len(words.context) for words in own], longest, look.query)
            padding = _hidden_beyond([words.length for words in own], longest, look.query)
            made.append(WordKeys(each, positions, absent, padding))
        return made

    @property
    def _slots(self) -> int:
        return max(len(query.words) for query in self.queries)

    @cached_property
    def _word_starts(self) -> list[int]:
        """The first column of each of the words, which several images share."""
        starts, next_start = [], 0
        for slot in range(self._slots):
            starts.append(next_start)
            next_start += max(
                len(query.words[min(slot, len(query.words) - 1)].positions) for query in self.queries
            )
        return starts

    def _on(self, device: torch.device, name: str, positions: Sequence[Sequence[int]]) -> Tensor:
        """Positions as (T,) where all images have the same, else (n, T)."""
        if (name, device) not in self._positions:
            longest = max(map(len, positions))
            rows = [[*own, *[own[-1] if own else 0] * (longest - len(own))] for own in positions]
            alike = all(row == rows[0] for row in rows)
            self._positions[name, device] = torch.tensor(rows[0] if alike else rows, device=device)
        return self._positions[name, device]

    @cached_property
    def _positions(self) -> dict[tuple[str, torch.device], Tensor]:
        return {}


@dataclass(frozen=True, eq=False)
class WordKeys:
    """Keys (n, heads, S, d) of words at one site, and the positions of them that are read.

    absent, padding: additive masks (n, 1, 1, S) of what an image's text does not have at all, and of that and
    its padding.
    """

    keys: Tensor
    positions: Tensor
    absent: Tensor | None
    padding: Tensor | None

    def columns(self, look: Look, padded: bool) -> Tensor:
        """The image compared with these words instead of its prompt: (n, heads, T, Q)."""
        hidden = self.absent if padded else self.padding
        logsumexp = row_logsumexp(look.query, self.keys, look.scale, hidden)
        return column_probabilities(look.query, self.read, logsumexp, look.scale)

    @cached_property
    def read(self) -> Tensor:
        if self.positions.ndim == 1:
            return self.keys.index_select(2, self.positions)
        index = self.positions[:, None, :, None].expand(-1, self.keys.shape[1], -1, self.keys.shape[3])
        return self.keys.gather(2, index)


def _padded(text: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(text, (0, 0, 0, length - len(text)))


def _hidden_beyond(lengths: Sequence[int], longest: int, like: Tensor) -> Tensor | None:
    """Additive mask (n, 1, 1, longest) of the places from each length on; None where there are none."""
    if all(length == longest for length in lengths):
        return None
    places, ends = torch.arange(longest), torch.tensor(lengths)[:, None]
    return torch.zeros(len(lengths), longest).masked_fill(places >= ends, -torch.inf)[:, None, None].to(like)
