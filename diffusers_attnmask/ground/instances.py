"""Objects told apart: which pixels belong to which of them, and what is known of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from diffusers_attnmask.ground.connected_parts import connected_parts, nearest
from diffusers_attnmask.ground.ids import IGNORE_ID

MOST_INSTANCES = 2**16 - 1  # that 16-bit ids tell apart in a picture


@dataclass(frozen=True)
class Instance:
    """An object: its number in the picture, from 1, and its class by the id in the mask and by name.

    box: x and y of the upper left corner, width and height, in pixels. area: in pixels. score: in [0, 1].
    """

    id: int
    class_id: int
    name: str
    box: tuple[int, int, int, int]
    area: int
    score: float = 1.0


@dataclass(frozen=True, eq=False)
class Instances:
    """The objects of a picture. ids: uint16 (H, W), 0 where none is; found: the objects by their ids.

    >>> mask = np.array([[1, 1, 0, 2], [1, 1, 0, 2]], np.uint8)
    >>> objects = described(mask.astype(np.uint16), mask, ["background", "cat", "dog"])
    >>> len(objects), objects[1].name, objects[1].box, objects[1].area
    (2, 'dog', (3, 0, 1, 2), 2)
    """

    ids: np.ndarray
    found: tuple[Instance, ...]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Instance]:
        return iter(self.found)

    def __getitem__(self, index: int) -> Instance:
        return self.found[index]


def described(
    numbers: np.ndarray, mask: np.ndarray, names: Sequence[str], heatmaps: np.ndarray | None = None
) -> Instances:
    """The objects with these numbers (H, W) in a mask (H, W) of ids that `names` explains.

    heatmaps: class maps (C, H, W) of the ids from 1 on; an object's score is the mean of its class's map.
    """
    ids = numbered(numbers)
    count = int(ids.max(initial=0))
    classes = class_of_each(ids, mask)
    areas = np.bincount(ids.ravel(), minlength=count + 1)[1:]
    scores = np.ones(count)
    if heatmaps is not None and count:
        strength = np.take_along_axis(heatmaps, np.clip(mask, 1, len(heatmaps))[None] - 1, 0)[0]
        scores = np.bincount(ids.ravel(), strength.ravel().astype(np.float64))[1:] / areas
    boxes = map(box_of, ndimage.find_objects(ids.astype(np.int32)))
    facts = zip(classes.tolist(), boxes, areas.tolist(), scores.tolist(), strict=True)
    found = tuple(
        Instance(number, own, names[own], box, area, min(max(score, 0.0), 1.0))
        for number, (own, box, area, score) in enumerate(facts, start=1)
    )
    return Instances(ids, found)


def numbered(numbers: np.ndarray) -> np.ndarray:
    """Numbers (H, W) of objects as consecutive ones, uint16, in their order; 0 stays 0."""
    known = np.unique(numbers)
    known = known[known != 0]
    check_count(len(known))
    return np.where(numbers != 0, np.searchsorted(known, numbers) + 1, 0).astype(np.uint16)


def check_count(count: int) -> None:
    """Refuse more objects in a picture than there are ids."""
    if count > MOST_INSTANCES:
        raise ValueError(
            f"a picture holds {count:,} objects, and 16-bit ids tell {MOST_INSTANCES:,} apart: leave "
            "small parts of its mask out (least_area)"
        )


def check_objects(numbers: np.ndarray, mask: np.ndarray, name: str) -> None:
    """Refuse numbers (H, W) of objects that are not of this mask (H, W); `name` begins the error."""
    if numbers.shape != mask.shape:
        raise ValueError(
            f"{name}: their picture is {numbers.shape[1]}×{numbers.shape[0]}, "
            f"the mask {mask.shape[1]}×{mask.shape[0]}"
        )
    try:
        class_of_each(numbered(numbers), mask)
    except ValueError as mistake:
        raise ValueError(f"{name}: {mistake}") from mistake


def class_of_each(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The class ids (n,) of objects (H, W) that are numbered from 1 to n; one must not be of two classes."""
    classes = np.zeros(int(ids.max(initial=0)) + 1, mask.dtype)
    classes[ids] = mask
    mixed = np.flatnonzero((classes[ids] != mask) & (ids > 0))
    if len(mixed):
        number = int(ids.ravel()[mixed[0]])
        shown = ", ".join(map(str, np.unique(mask[ids == number])))
        raise ValueError(f"object {number} has the classes {shown} in the mask; an object has one")
    return classes[1:]


def box_of(place: tuple[slice, slice]) -> tuple[int, int, int, int]:
    """x, y, width and height of two slices."""
    rows, columns = place
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


def fitted(numbers: np.ndarray, before: np.ndarray, mask: np.ndarray, classes: Collection[int]) -> np.ndarray:
    """Objects (H, W), told apart in one mask (H, W), in another of the same picture: numbers int32 (H, W).

    A pixel of a class goes with the nearest object of it; a class that had none has its connected parts.
    """
    fit, beyond = np.zeros(mask.shape, np.int32), int(numbers.max(initial=0))
    for own in classes:
        region = mask == own
        known = np.where(before == own, numbers, 0)
        if known.any():
            fit[region] = nearest(known)[region]
        elif region.any():
            fit[region] = connected_parts(mask, [own])[region] + beyond
            beyond = int(fit.max())
    return fit


def countable(mask: np.ndarray, background: bool = True) -> list[int]:
    """The class ids in a mask (H, W) whose objects can be told apart: neither background nor 255."""
    return [int(own) for own in np.unique(mask) if own != IGNORE_ID and not (background and own == 0)]
