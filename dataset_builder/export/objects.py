"""The objects of a pair, as the formats write them that tell objects apart."""

from __future__ import annotations

from collections.abc import Sequence

from dataset_builder.export.pair_set import NamedPair
from diffusers_attnmask.ground.connected_parts import connected_parts
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.instances import Instances, countable, described, fitted


def objects_of(pair: NamedPair, class_names: Sequence[str]) -> Instances:
    """The objects of all classes but the background: those told apart in the data, else connected parts.

    Pixels of a class that belong to no object go with the nearest one.
    """
    classes = countable(pair.mask, class_names[0] == BACKGROUND)
    if pair.objects is None:
        return described(connected_parts(pair.mask, classes), pair.mask, class_names)
    numbers = fitted(pair.objects, pair.mask, pair.mask, classes)
    return described(numbers, pair.mask, class_names)
