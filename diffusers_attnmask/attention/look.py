"""What one site saw of the images that are read, in one pass: views of a comparison, made when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from diffusers_attnmask.attention.probabilities import (
    column_probabilities,
    mean_rows,
    mean_transitions,
    row_logsumexp,
)
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.tap import Comparison


@dataclass(frozen=True)
class Layout:
    """Where in a site's sequences the image and the text stand.

    grid: of the image's places, row by row. image, text: the first place of each, the same in every row of
    the batch or one per image that is read. tokens: how many places the text has, padding included. lengths:
    how many of its tokens each image was given, where the others are not in the row at all.
    """

    grid: tuple[int, int]
    image: int | tuple[int, ...] = 0
    text: int | tuple[int, ...] = 0
    tokens: int = 0
    lengths: tuple[int, ...] = ()

    @property
    def places(self) -> int:
        return self.grid[0] * self.grid[1]


class Look:
    """One site's comparison of the images that are read: n rows of its batch.

    turn: a number that moves on from step to step and from site to site, for what takes turns.
    """

    def __init__(
        self, site: Site, comparison: Comparison, rows: slice, layout: Layout, turn: int = 0
    ) -> None:
        self.site = site
        self.turn = turn
        self.comparison = comparison
        self.rows = rows
        self.layout = layout

    @property
    def grid(self) -> tuple[int, int]:
        return self.layout.grid

    @property
    def scale(self) -> float:
        return self.comparison.scale

    @cached_property
    def query(self) -> Tensor:
        """The image's queries: (n, heads, Q, d)."""
        return self._image_part(self.comparison.query[self.rows])

    @cached_property
    def output(self) -> Tensor:
        """What the image's places took from all others: (n, heads, Q, d)."""
        assert self.comparison.output is not None
        return self._image_part(self.comparison.output[self.rows])

    @cached_property
    def image_key(self) -> Tensor:
        """(n, heads, Q, d)."""
        return self._image_part(self._own(self.comparison.key))

    @cached_property
    def image_value(self) -> Tensor:
        """(n, heads, Q, d)."""
        assert self.comparison.value is not None
        return self._image_part(self._own(self.comparison.value))

    @cached_property
    def logsumexp(self) -> Tensor:
        """Over all keys, of every row of the image: (n, heads, Q)."""
        if self.comparison.logsumexp is not None:
            return self._image_part(self.comparison.logsumexp[self.rows])
        return row_logsumexp(self.query, self._own(self.comparison.key), self.scale, self._image_mask())

    def columns(self, positions: Tensor) -> Tensor:
        """Probabilities of the text's tokens at some positions (n, T) or (T,): (n, heads, T, Q)."""
        places = positions + self._starts(self.layout.text, positions)
        keys = _picked(self._own(self.comparison.key), places)
        found = column_probabilities(self.query, keys, self.logsumexp, self.scale, self._column_mask(places))
        if not self.layout.lengths:
            return found
        lengths = torch.tensor(self.layout.lengths, device=positions.device)[:, None]
        return found.masked_fill_((positions >= lengths)[:, None, :, None], 0.0)

    def transitions(self, pool: int = 1) -> Tensor:
        """From every place of the image to every other, mean over heads: (n, N, N); rows sum to 1.

        pool: squares of so many places to a side are taken as one.
        """
        mask = self._image_mask(among_image=True)
        return mean_transitions(self.query, self.image_key, self.scale, mask, self.grid, pool, self.turn)

    def rows_among_image(self, places: Tensor) -> Tensor:
        """From some places of the image (R,) to all, mean over heads: (n, R, N); rows sum to 1."""
        mask = self._image_mask(among_image=True)
        if mask is not None and mask.shape[2] > 1:
            mask = mask.index_select(2, places)
        return mean_rows(self.query.index_select(2, places), self.image_key, self.scale, mask)

    def _own(self, part: Tensor) -> Tensor:
        """Rows of keys or values; groups of heads that share them are told apart."""
        own = part[self.rows]
        groups = self.comparison.query.shape[1] // own.shape[1]
        return own if groups == 1 else own.repeat_interleave(groups, 1)

    def _image_part(self, part: Tensor) -> Tensor:
        """The image's places of (n, heads, N, …)."""
        start, places = self.layout.image, self.layout.places
        if isinstance(start, int):
            return part if part.shape[2] == places else part[:, :, start : start + places]
        return torch.stack([own[:, at : at + places] for own, at in zip(part, start, strict=True)])

    def _starts(self, start: int | Sequence[int], like: Tensor) -> int | Tensor:
        return start if isinstance(start, int) else torch.tensor(start, device=like.device)[:, None]

    def _image_mask(self, among_image: bool = False) -> Tensor | None:
        """The mask of the image's rows: over all keys, or over the image's."""
        mask = self._mask()
        if mask is None:
            return None
        if mask.shape[2] > 1:
            mask = self._image_part(mask)
        return self._image_part(mask.transpose(2, 3)).transpose(2, 3) if among_image else mask

    def _mask(self) -> Tensor | None:
        """The rows' mask as (n or 1, heads or 1, Q or 1, K)."""
        mask = self.comparison.mask
        if mask is None:
            return None
        mask = mask[(None,) * (4 - mask.ndim)]
        return mask if len(mask) == 1 else mask[self.rows]

    def _column_mask(self, places: Tensor) -> Tensor | None:
        mask = self._image_mask()
        return None if mask is None else _picked(mask.transpose(2, 3), places)


def _picked(part: Tensor, places: Tensor) -> Tensor:
    """Some places of (n, heads, N, d): (T,) alike in all rows, or (n, T)."""
    if places.ndim == 1:
        return part.index_select(2, places)
    part = part.expand(len(places), -1, -1, -1)
    index = places[:, None, :, None].expand(-1, part.shape[1], -1, part.shape[3])
    return part.gather(2, index)
