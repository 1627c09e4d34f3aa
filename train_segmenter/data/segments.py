"""What a model learns that tells objects apart: a picture's segments by numbers, and the class of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.instances import class_of_each, numbered
from train_segmenter.data.base import Sample, shown_ids
from train_segmenter.data.tables import thing_names

Task = Literal["semantic", "instance", "panoptic"]
Shown = Sequence[int] | Mapping[int, int]  # class ids in a mask, or numbers of segments with their classes
NO_SEGMENT = 0
MOST_SEGMENTS = IGNORE_ID - 1  # of a picture that is learned; the smallest ones beyond are ignored


class Segments(NamedTuple):
    """numbers: uint8 (H, W), 0 of nothing that is learned, 255 ignored. classes: by the segments' numbers."""

    numbers: np.ndarray
    classes: Mapping[int, int]


def segments_of(sample: Sample, class_names: Sequence[str], task: Task) -> Segments:
    """The objects of a pair and, of a panoptic task, a segment for each class of uncounted objects.

    Pixels of a counted class that belong to no object, as crowds have them, are ignored.
    """
    if sample.objects is None:
        raise ValueError(
            f"{sample.name} tells no objects apart, which --task {task} learns: build with instances: true"
        )
    things = [place for place, name in enumerate(class_names) if name in thing_names(class_names)]
    parts = np.where(np.isin(sample.mask, things), sample.objects.astype(np.int32), 0)
    if task == "panoptic":
        first = int(parts.max(initial=0)) + 1
        for own in shown_ids(sample.mask):
            if own not in things:
                parts[sample.mask == own] = first + own
    ids = numbered(parts)
    classes = class_of_each(ids, sample.mask)
    order = np.argsort(-np.bincount(ids.ravel(), minlength=len(classes) + 1)[1:], kind="stable")
    table = np.full(len(classes) + 1, IGNORE_ID, np.uint8)
    table[NO_SEGMENT] = NO_SEGMENT
    kept = order[:MOST_SEGMENTS]
    table[kept + 1] = np.arange(1, len(kept) + 1)
    crowd = np.isin(sample.mask, things) & (sample.objects == 0)
    numbers = np.where(crowd | (sample.mask == IGNORE_ID), IGNORE_ID, table[ids]).astype(np.uint8)
    return Segments(numbers, {place: int(classes[own]) for place, own in enumerate(kept, start=1)})
