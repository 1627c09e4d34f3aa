"""The official class tables of VOC, Cityscapes and COCO, read from `tables.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import yaml

from train_segmenter.data.base import IGNORE


@cache
def _tables() -> dict:
    return yaml.safe_load(Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8"))


def voc_names() -> tuple[str, ...]:
    """The 21 VOC names in the order of their ids."""
    return ("background", *_tables()["voc"])


def coco_categories() -> dict[int, str]:
    """The 80 COCO instance categories: official category id to name."""
    return _tables()["coco"]


def coco_names() -> tuple[str, ...]:
    """Background and the 80 COCO names: class id `i + 1` is the `i`-th category."""
    return ("background", *coco_categories().values())


def cityscapes_labels() -> dict[int, tuple[str, int]]:
    """Cityscapes label id to (name, train id); 255 is ignored."""
    return {label: (name, train) for label, name, train in _tables()["cityscapes"]}


def cityscapes_names() -> tuple[str, ...]:
    """The 19 evaluated Cityscapes classes in the order of their train ids; there is no background."""
    evaluated = {train: name for name, train in cityscapes_labels().values() if train != IGNORE}
    return tuple(evaluated[train] for train in range(len(evaluated)))


def lookup(ids: dict[int, int], default: int = IGNORE) -> np.ndarray:
    """Table uint8 (256,) for `table[mask]`; ids not listed become `default`."""
    table = np.full(256, default, dtype=np.uint8)
    for old, new in ids.items():
        table[old] = new
    table[IGNORE] = ids.get(IGNORE, IGNORE)
    return table
