"""K-fold cross-validation: every pair is judged by a segmenter that was trained without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dataset_builder.noise.scores import class_scores
from train_segmenter.data import Sample, Source

# A segmenter's class ids uint8 (H, W) of an image uint8 (H, W, 3).
Predict = Callable[[np.ndarray], np.ndarray]
# Trains on a source; the number is the fold that is held out.
Train = Callable[[Source, int], Predict]


@dataclass(frozen=True)
class Part:
    """Some of a source's pairs."""

    source: Source
    indices: np.ndarray

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.source.class_names

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return self.source.name(int(self.indices[index]))

    def __getitem__(self, index: int) -> Sample:
        return self.source[int(self.indices[index])]


def split_folds(count: int, folds: int, seed: int) -> list[np.ndarray]:
    """Disjoint sorted index arrays whose lengths differ by one at most.

    >>> [len(fold) for fold in split_folds(11, 3, seed=0)]
    [4, 4, 3]
    """
    if not 2 <= folds <= count:
        raise ValueError(f"{folds} folds of {count} pairs: give at least 2 folds, and a pair for each")
    order = np.random.default_rng(seed).permutation(count)
    return [np.sort(part) for part in np.array_split(order, folds)]


def other_folds(source: Source, parts: Sequence[np.ndarray], number: int) -> Part:
    """What the judge of a fold is trained on."""
    return Part(source, np.sort(np.concatenate([*parts[:number], *parts[number + 1 :]])))


def held_out_scores(
    source: Source, folds: int, seed: int, train: Train
) -> Iterator[tuple[int, dict[int, float]]]:
    """Each pair's index and its IoU by class id, fold by fold."""
    parts = split_folds(len(source), folds, seed)
    for number, held_out in enumerate(parts):
        predict = train(other_folds(source, parts, number), number)
        for index in held_out:
            sample = source[int(index)]
            yield int(index), class_scores(predict(sample.image), sample.mask, source.class_names)
