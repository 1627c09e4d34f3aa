"""Augmented pairs as rows of a new dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import datasets
import numpy as np

from dataset_builder.dataset_copies import StoredRows, mask_names
from diffusers_attnmask.ground.columns import (
    INSTANCES,
    MAPS,
    OBJECTS,
    PRESENCE,
    PREVIEW,
    picture_cell,
)
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.pictures import encoded
from train_segmenter.augmentation.chain import PairAugmentation
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.data.base import Sample
from train_segmenter.data.hub import HubPairs

LEFT_OUT = (MAPS, INSTANCES, OBJECTS, PREVIEW, PRESENCE)


@dataclass(frozen=True)
class Asked:
    """A source that keeps the numbers of the pairs that were read from it."""

    source: HubPairs
    numbers: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, number: int) -> Sample:
        self.numbers.append(number)
        return self.source[number]


@dataclass(frozen=True)
class KeptRows:
    """The rows of a source as they are, but for maps, presence and objects, which no augmented pair has."""

    source: HubPairs

    @property
    def features(self) -> datasets.Features:
        features = self.source.dataset.features
        return datasets.Features({name: features[name] for name in features if name not in LEFT_OUT})

    @cached_property
    def stored(self) -> StoredRows:
        return StoredRows(self.source.dataset.select_columns(list(self.features)), self.source.home)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.stored[place]


@dataclass(frozen=True)
class AugmentedRows(KeptRows):
    """The rows of an augmented dataset: `copies` of every pair, after the pair itself where it is kept.

    A copy depends on the seed and on its number alone.
    """

    options: AugmentOptions
    copies: int = 1
    seed: int = 0
    originals: bool = True

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies is at least 1, not {self.copies}")

    def __len__(self) -> int:
        return len(self.source) * (self.copies + self.originals)

    def __getitem__(self, place: int) -> dict[str, Any]:
        if not 0 <= place < len(self):
            raise IndexError(place)
        number, own = divmod(place, self.copies + self.originals)
        return self.copy(number, own - self.originals) if own >= self.originals else self.stored[number]

    def copy(self, number: int, copy: int) -> dict[str, Any]:
        """One augmented pair; a spliced one joins the prompts of its tiles and has their least quality."""
        partners = Asked(self.source)
        augment = PairAugmentation(self.options, partners)
        sample = self.source[number]
        rng = np.random.default_rng([self.seed, number, copy])
        image, mask = augment(sample.image, sample.mask, rng)
        rows = [self.stored[place] for place in dict.fromkeys((number, *partners.numbers))]
        own = {**rows[0], "image": picture_cell(encoded(image))}
        own[self.source.mask_column] = picture_cell(encoded(mask))
        joined = {
            "id": lambda: f"{own['id']}-{copy + 1}",
            "prompt": lambda: "; ".join(dict.fromkeys(row["prompt"] or "" for row in rows)),
            "classes": lambda: self.labels(mask),
            "quality": lambda: min(row["quality"] or 0.0 for row in rows),
        }
        return own | {name: value() for name, value in joined.items() if name in own}

    def labels(self, mask: np.ndarray) -> list[int]:
        """The labels of the classes that the mask still shows."""
        names = self.label_names
        shown = (self.source.class_names[i] for i in np.unique(mask) if i < len(self.source.class_names))
        return [names.index(name) for name in shown if name in names and name != BACKGROUND]

    @cached_property
    def label_names(self) -> list[str]:
        return mask_names(self.source.dataset.features)
