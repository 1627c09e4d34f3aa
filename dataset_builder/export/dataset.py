"""Datasets in the columns of `attnmask build`, as `load_dataset` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataset_builder.export.objects import objects_of
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from diffusers_attnmask.ground.columns import object_cells, picture_cell
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.pictures import encoded, mask_ids, opened
from train_segmenter.data.hub import HubPairs, hub
from train_segmenter.data.shards import split_names


def read_dataset(path: str, split: str | None = None, *, outside: bool = False) -> PairSet:
    """The splits of a dataset folder or Hub name, or the one asked for."""
    splits = [split] if split else split_names(path, outside=outside)
    sources = {name: hub(path, name, outside=outside) for name in splits}
    return PairSet(
        next(iter(sources.values())).class_names,
        {name: dataset_pairs(own) for name, own in sources.items()},
        all(own.tells_objects for own in sources.values()),
    )


def dataset_pairs(source: HubPairs) -> Pairs:
    if "id" in source.dataset.column_names:
        names = [str(name) for name in source.dataset["id"]]
    else:
        names = [source.name(number) for number in range(len(source))]

    def read(number: int) -> NamedPair:
        name = f"the mask of {names[number]}"
        ids = mask_ids(opened(source.mask_file(number), name), name)
        return NamedPair(names[number], source.image_file(number), ids, objects=source.objects(number))

    return Pairs(names, read)


def pair_row(pair: NamedPair, number: int, class_names: Sequence[str], origin: str) -> dict[str, Any]:
    """A pair of any format as a row; `origin` stands in the model column."""
    cells = {}
    if pair.objects is not None:
        cells = object_cells(objects_of(pair, class_names), range(len(class_names)))
    shown = [int(own) for own in np.unique(pair.mask) if own < len(class_names)]
    return {
        "image": picture_cell(pair.image),
        "mask": picture_cell(encoded(pair.mask)),
        "id": pair.name,
        "prompt": "",
        "classes": [own for own in shown if class_names[own] != BACKGROUND],
        "seed": number,
        "method": "annotation",
        "model": origin,
        "quality": 1.0,
        **cells,
    }
