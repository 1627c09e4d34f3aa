"""The official ids of VOC, Cityscapes and COCO, from `diffusers_attnmask/ground/class_tables`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusers_attnmask.ground.class_tables import class_table
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID


def voc_names() -> tuple[str, ...]:
    """The 21 VOC names in the order of their ids."""
    return class_table("voc").class_names


def coco_categories() -> dict[int, str]:
    """The 80 COCO instance categories: official category id to name."""
    return {own.official_id: own.name for own in class_table("coco").classes}


def coco_names() -> tuple[str, ...]:
    """Background and the 80 COCO names: class id `i + 1` is the `i`-th category."""
    return class_table("coco").class_names


def cityscapes_labels() -> dict[int, tuple[str, int]]:
    """Cityscapes label id to (name, train id); 255 is ignored."""
    table = class_table("cityscapes")
    labels = {own.official_id: (own.name, own.id) for own in table.classes}
    labels |= {label: (name, IGNORE_ID) for label, name in table.ignored.items()}
    return dict(sorted(labels.items()))


def cityscapes_names() -> tuple[str, ...]:
    """The 19 evaluated Cityscapes classes in the order of their train ids; there is no background."""
    return class_table("cityscapes").class_names


def thing_names(class_names: Sequence[str]) -> set[str]:
    """The classes whose objects are counted: those that Cityscapes counts among its own, else all but the
    background."""
    cityscapes = class_table("cityscapes")
    if tuple(class_names) == cityscapes.class_names:
        return {own.name for own in cityscapes.classes if own.counted}
    return set(class_names) - {BACKGROUND}


def lookup(ids: dict[int, int], default: int = IGNORE_ID) -> np.ndarray:
    """Table uint8 (256,) for `table[mask]`; ids not listed become `default`."""
    table = np.full(256, default, dtype=np.uint8)
    for old, new in ids.items():
        table[old] = new
    table[IGNORE_ID] = ids.get(IGNORE_ID, IGNORE_ID)
    return table
