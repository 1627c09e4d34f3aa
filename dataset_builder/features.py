"""The columns of every dataset of pairs, in one place."""

from __future__ import annotations

from collections.abc import Sequence

from datasets import ClassLabel, Features, Image, List, Value


def pair_features(class_names: Sequence[str]) -> Features:
    """Columns of a dataset whose mask ids are the positions in ``class_names`` (0 is the background).

    >>> pair_features(["background", "dog"])["classes"].feature.names
    ['background', 'dog']
    """
    return Features(
        {
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
    )
