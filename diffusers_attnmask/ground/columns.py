"""The columns of every dataset of pairs, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import ClassLabel, Features, Image, List, Value

MAPS = "maps"  # a class map per entry of `classes`, as grey pictures: 0 to 255 for 0 to 1


def picture_cell(content: bytes) -> dict[str, Any]:
    """An encoded picture as the picture columns keep it."""
    return {"bytes": content, "path": None}


def pair_features(class_names: Sequence[str], *, maps: bool = False) -> Features:
    """Columns of a dataset whose mask ids are the positions in ``class_names``.

    With ``maps``, one column more: the class maps, which ``attnmask refine`` starts from.

    >>> pair_features(["background", "dog"])["classes"].feature.names
    ['background', 'dog']
    """
    columns = {
        "image": Image(),
        "mask": Image(),  # PNG, mode L: class ids, 255 = ignore
        "id": Value("string"),
        "prompt": Value("string"),
        "classes": List(ClassLabel(names=list(class_names))),
        "seed": Value("int64"),
        "method": Value("string"),
        "model": Value("string"),
        "quality": Value("float32"),
    }
    if maps:
        columns[MAPS] = List(Image())
    return Features(columns)
