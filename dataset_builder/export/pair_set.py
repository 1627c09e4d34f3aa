"""What travels between formats: named pairs in splits, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from diffusers_attnmask.ground.instances import check_objects
from diffusers_attnmask.ground.pictures import encoded, opened, orientation, rgb_pixels
from train_segmenter.data.base import Sample, checked

UPRIGHT = 1  # EXIF's word for a picture that is stored as it is seen
QUALITY = 95  # of JPEG and WebP that are encoded anew


@dataclass(frozen=True)
class NamedPair:
    """A picture's file as it is stored, its mask uint8 (H, W) of class ids, and the stem of their names.

    origin: what errors call it, where that is not its name. objects: uint16 (H, W), a number for the object
    at every pixel, where the data tell them apart.
    """

    name: str
    image: bytes
    mask: np.ndarray
    origin: str = ""
    objects: np.ndarray | None = None


def checked_pair(pair: NamedPair, classes: int) -> NamedPair:
    """The pair with its image upright, which can be read to its end, and has a mask that fits it."""
    origin = pair.origin or pair.name
    picture = opened(pair.image, origin)
    pixels = rgb_pixels(picture, origin)
    checked(Sample(pixels, pair.mask, origin), classes)
    if pair.objects is not None:
        check_objects(pair.objects, pair.mask, f"the objects of {origin}")
    if orientation(picture) == UPRIGHT:
        return pair
    kind = picture.format if picture.format in ("JPEG", "WEBP") else "PNG"
    options = {"quality": QUALITY} if kind != "PNG" else {}
    return replace(pair, image=encoded(pixels, kind, **options))


@dataclass(frozen=True)
class Pairs:
    """The pairs of a split: their names, and how one is read."""

    names: Sequence[str]
    read: Callable[[int], NamedPair]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[NamedPair]:
        return (self.read(number) for number in range(len(self)))

    def checked(self, classes: int) -> Pairs:
        """The same pairs, each of which is checked when it is read."""
        return replace(self, read=lambda number: checked_pair(self.read(number), classes))

    def chosen(self, numbers: Sequence[int]) -> Pairs:
        return Pairs([self.names[number] for number in numbers], lambda place: self.read(numbers[place]))


@dataclass(frozen=True)
class PairSet:
    """Splits of pairs over the same classes; class_names by mask id. tells_objects: whether pairs do."""

    class_names: tuple[str, ...]
    splits: Mapping[str, Pairs]
    tells_objects: bool = False

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
