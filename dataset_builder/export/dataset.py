"""Datasets in the columns of `attnmask build`, as `load_dataset` reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from dataset_builder.dataset_copies import undecoded, write_rows
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from dataset_builder.export.safety import check_sizes, opened, opened_mask
from diffusers_attnmask.ground.columns import pair_features, picture_cell
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.pictures import encoded
from train_segmenter.data.hub import HubPairs, hub


def read_dataset(path: str, split: str | None = None) -> PairSet:
    """The splits of a dataset folder or Hub name, or the one asked for."""
    with within_reach(path, "dataset"):
        splits = [split] if split else datasets.get_dataset_split_names(path)
    sources = {name: hub(path, name) for name in splits}
    return PairSet(
        next(iter(sources.values())).class_names, {name: dataset_pairs(own) for name, own in sources.items()}
    )


def dataset_pairs(source: HubPairs) -> Pairs:
    wanted = [source.image_column, source.mask_column]
    stored = undecoded(source.dataset.select_columns(wanted))
    if "id" in source.dataset.column_names:
        names = [
            str(name)
            for name in source.dataset.select_columns("id").with_format("arrow")[:]["id"].to_pylist()
        ]
    else:
        names = [source.name(number) for number in range(len(source))]

    def read(number: int) -> NamedPair:
        image, mask = (picture_bytes(stored[number][column], names[number]) for column in wanted)
        ids = opened_mask(mask, f"the mask of {names[number]}")
        check_sizes(opened(image, names[number]), ids, names[number])
        return NamedPair(names[number], image, ids)

    return Pairs(names, read)


def picture_bytes(cell: Mapping[str, Any], name: str) -> bytes:
    """The file of an undecoded picture; a row may also name a local file."""
    if cell["bytes"] is not None:
        return cell["bytes"]
    if not Path(cell["path"]).is_file():
        raise FileNotFoundError(f"the picture {cell['path']} of {name} is not on this machine")
    return Path(cell["path"]).read_bytes()


def write_dataset(pairs: PairSet, folder: Path, origin: str) -> None:
    """Write pairs of any format as a dataset; `origin` stands in the model column."""
    splits = {
        split: (pair_rows(own, pairs.class_names, origin), len(own)) for split, own in pairs.splits.items()
    }
    write_rows(splits, pair_features(pairs.class_names), pairs.class_names, folder)


def pair_rows(pairs: Pairs, class_names: Sequence[str], origin: str) -> Iterator[dict[str, Any]]:
    for number, pair in enumerate(pairs):
        shown = [int(own) for own in np.unique(pair.mask) if own < len(class_names)]
        yield {
            "image": picture_cell(pair.image),
            "mask": picture_cell(encoded(pair.mask)),
            "id": pair.name,
            "prompt": "",
            "classes": [own for own in shown if class_names[own] != BACKGROUND],
            "seed": number,
            "method": "annotation",
            "model": origin,
            "quality": 1.0,
        }
