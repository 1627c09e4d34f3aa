"""Augmentation while training: a data source whose pairs are changed as they are read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dataset_builder.augmentation.chain import PairAugmentation
from dataset_builder.augmentation.options import AugmentOptions
from train_segmenter.data.base import Sample, Source


@dataclass(frozen=True)
class AugmentedSource:
    """`copies` times as many pairs as the source, none of them stored: any training takes it as its data.

    Pair i is copy i // len(source) of pair i % len(source), and a function of the seed and of i alone: a
    training resumes exactly.
    """

    source: Source
    options: AugmentOptions = field(default_factory=AugmentOptions)
    copies: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies is at least 1, not {self.copies}")

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.source.class_names

    def __len__(self) -> int:
        return len(self.source) * self.copies

    def name(self, index: int) -> str:
        copy, number = divmod(index, len(self.source))
        return f"{self.source.name(number)} (copy {copy + 1})"

    def __getitem__(self, index: int) -> Sample:
        copy, number = divmod(index, len(self.source))
        sample = self.source[number]
        rng = np.random.default_rng([self.seed, number, copy])
        image, mask = PairAugmentation(self.options, self.source)(sample.image, sample.mask, rng)
        return Sample(image, mask, self.name(index))
