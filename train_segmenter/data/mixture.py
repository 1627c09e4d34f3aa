"""Several sources as one: one after the other, or each drawn as often as its weight says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train_segmenter.data.base import Sample, Source


@dataclass(frozen=True)
class Joined:
    """The pairs of all sources one after the other."""

    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        for source in self.sources[1:]:
            if source.class_names != self.sources[0].class_names:
                raise ValueError(
                    f"The sources name different classes: {', '.join(self.sources[0].class_names)} "
                    f"and {', '.join(source.class_names)}. Give the classes to train (--class) to map them."
                )

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.sources[0].class_names

    def __len__(self) -> int:
        return sum(map(len, self.sources))

    def _locate(self, index: int) -> tuple[Source, int]:
        for source in self.sources:
            if index < len(source):
                return source, index
            index -= len(source)
        raise IndexError(index)

    def name(self, index: int) -> str:
        source, inner = self._locate(index)
        return source.name(inner)

    def __getitem__(self, index: int) -> Sample:
        source, inner = self._locate(index)
        return source[inner]


@dataclass(frozen=True)
class Mixture(Joined):
    """Sources whose `weights` act on `draw_order`, not on evaluation."""

    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.weights):
            raise ValueError(f"There are {len(self.sources)} sources but {len(self.weights)} weights.")
        if any(weight < 0 for weight in self.weights) or not sum(self.weights):
            raise ValueError(f"Weights are not negative and not all zero; these are {self.weights}.")
        super().__post_init__()


def draw_order(source: Source, count: int, seed: int) -> np.ndarray:
    """Indices int64 (count,) of the pairs to train on, in order.

    A pure function of the seed, of which a longer order is a continuation: training resumes at any position.
    Each source is shuffled anew in every pass over it; the sources of a mixture are drawn by weight.
    """
    if not isinstance(source, Mixture):
        return _passes(len(source), count, seed, 0)
    weights = np.cumsum(source.weights) / np.sum(source.weights)
    chosen = np.searchsorted(weights, np.random.default_rng([seed, 1]).random(count), side="right")
    order = np.empty(count, dtype=np.int64)
    offset = 0
    for number, part in enumerate(source.sources):
        here = chosen == number
        order[here] = offset + _passes(len(part), int(here.sum()), seed, number)
        offset += len(part)
    return order


def _passes(length: int, count: int, seed: int, number: int) -> np.ndarray:
    if not count:
        return np.empty(0, dtype=np.int64)
    passes = range(-(-count // length))
    shuffled = [np.random.default_rng([seed, 2, number, turn]).permutation(length) for turn in passes]
    return np.concatenate(shuffled)[:count]
