"""The columns of every dataset of pairs, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import ClassLabel, Features, Image, List, Value

from diffusers_attnmask.ground.instances import Instances
from diffusers_attnmask.ground.pictures import encoded

INSTANCES, OBJECTS = "instances", "objects"  # ids of objects in a 16-bit PNG, and what is known of each
PREVIEW = "preview"  # the image under its mask in colours, small, for viewers
MAPS = "maps"  # a class map per entry of `classes`, as grey pictures: 0 to 255 for 0 to 1
PRESENCE = "presence"


def picture_cell(content: bytes) -> dict[str, Any]:
    """An encoded picture as the picture columns keep it."""
    return {"bytes": content, "path": None}


def object_cells(instances: Instances, categories: Sequence[int] | np.ndarray) -> dict[str, Any]:
    """The cells of the objects of a picture; `categories`: the dataset's class of each id in the mask."""
    return {INSTANCES: picture_cell(encoded(instances.ids)), OBJECTS: object_facts(instances, categories)}


def object_facts(instances: Instances, categories: Sequence[int] | np.ndarray) -> dict[str, list]:
    """What is known of objects, in the convention of `datasets` for detection."""
    return {
        "id": [own.id for own in instances],
        "bbox": [list(own.box) for own in instances],
        "category": [int(categories[own.class_id]) for own in instances],
        "area": [own.area for own in instances],
        "iscrowd": [False] * len(instances),
    }


def pair_features(
    class_names: Sequence[str],
    *,
    maps: bool = False,
    instances: bool = False,
    preview: bool = False,
    presence: bool = False,
) -> Features:
    """Columns of a dataset whose mask ids are the positions in ``class_names``.

    With ``maps``, one column more: the class maps, which ``attnmask refine`` starts from. With ``instances``,
    two: the ids of objects at every pixel, and the objects as `datasets` has them for detection. With
    ``preview``, a small picture of each pair with its mask in colours. With ``presence``, how surely each of
    ``classes`` is in the picture at all.

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
    if preview:
        columns[PREVIEW] = Image()
    if maps:
        columns[MAPS] = List(Image())
    if presence:
        columns[PRESENCE] = List(Value("float32"))  # in [0, 1], one per entry of `classes`
    if instances:
        columns[INSTANCES] = Image()  # PNG, mode I;16
        columns[OBJECTS] = {
            "id": List(Value("int64")),
            "bbox": List(List(Value("float32"), length=4)),  # x, y, width, height in pixels
            "category": List(ClassLabel(names=list(class_names))),
            "area": List(Value("int64")),
            "iscrowd": List(Value("bool")),
        }
    return Features(columns)
