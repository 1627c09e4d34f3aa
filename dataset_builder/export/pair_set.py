"""What travels between formats: named pairs in splits, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np


@dataclass(frozen=True)
class NamedPair:
    """A picture's file as it is stored, its mask uint8 (H, W) of class ids, and the stem of their names."""

    name: str
    image: bytes
    mask: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """The pairs of a split: their names, and how one is read."""

    names: Sequence[str]
    read: Callable[[int], NamedPair]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[NamedPair]:
        return (self.read(number) for number in range(len(self)))

    def chosen(self, numbers: Sequence[int]) -> Pairs:
        return Pairs([self.names[number] for number in numbers], lambda place: self.read(numbers[place]))


@dataclass(frozen=True)
class PairSet:
    """Splits of pairs over the same classes; class_names by mask id."""

    class_names: tuple[str, ...]
    splits: Mapping[str, Pairs]

    def __len__(self) -> int:
        return sum(map(len, self.splits.values()))


def part_validation(pairs: PairSet, share: float) -> PairSet:
    """A part of the training split as validation split: a pair's part depends on its name alone."""
    if not 0 < share < 1:
        raise ValueError(f"the share of validation pairs is between 0 and 1, not {share}")
    if set(pairs.splits) != {"train"}:
        raise ValueError(f"the data has the splits {', '.join(pairs.splits)} already: leave the share out")
    train = pairs.splits["train"]
    held_out = [_position(name) < share for name in train.names]
    parts = {"train": False, "validation": True}
    return replace(
        pairs,
        splits={
            split: train.chosen([number for number, held in enumerate(held_out) if held is wanted])
            for split, wanted in parts.items()
        },
    )


def _position(name: str) -> float:
    """A number in [0, 1) that only the name decides."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64
