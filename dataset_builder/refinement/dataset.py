"""The pairs of a dataset as refinement takes them: for AffinityNet to learn from, and one by one."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dataset_builder.dataset_copies import StoredRows, id_table, mask_names
from dataset_builder.preview import preview_cell
from dataset_builder.recipe import Refinement
from dataset_builder.refinement.affinity.network import AffinityNet
from dataset_builder.refinement.affinity.training import AffinityExample
from dataset_builder.refinement.diffumask_chain import RefineOptions, confident_labels
from dataset_builder.refinement.refine_mask import image_features, refined_mask
from diffusers_attnmask.ground.columns import INSTANCES, MAPS, PREVIEW, object_cells, picture_cell
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from diffusers_attnmask.ground.instances import check_objects, countable, described, fitted
from diffusers_attnmask.ground.pictures import encoded, mask_ids, object_ids, opened, rgb_pixels
from train_segmenter.data.base import Sample, checked
from train_segmenter.data.home import Home
from train_segmenter.data.hub import ANYWHERE, picture_file


@dataclass(frozen=True)
class MappedPair:
    """An image uint8 (H, W, 3), class maps (C, H, W) in [0, 1], a mask (H, W) with i+1 for class i, names."""

    image: Tensor
    maps: Tensor
    mask: Tensor
    names: list[str]


class MappedPairs:
    """A dataset's pairs that have class maps; the column `maps` holds one for each of `classes`."""

    def __init__(self, dataset: datasets.Dataset, home: Home | None = ANYWHERE) -> None:
        if MAPS not in dataset.column_names:
            raise ValueError(
                f"the dataset has no column {MAPS!r}: build it with `maps: true` in the recipe, "
                "since refinement starts from the class maps"
            )
        self.dataset, self.home = dataset, home
        self.stored = StoredRows(dataset, home)
        self.names = mask_names(dataset.features)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> MappedPair:
        row = self.stored[index]
        name, classes = str(row.get("id") or f"row {index}"), row["classes"] or []
        if wrong := [own for own in classes if not 0 <= own < len(self.names)]:
            raise ValueError(f"{name}: classes {wrong} (the classes are 0 to {len(self.names) - 1})")
        if len(row[MAPS] or ()) != len(classes) or not classes:
            raise ValueError(f"pair {name} has {len(row[MAPS] or ())} maps for {len(classes)} classes")
        image = rgb_pixels(_opened(row["image"], f"the image of {name}"), name).copy()
        mask = mask_ids(_opened(row["mask"], f"the mask of {name}"), f"the mask of {name}")
        checked(Sample(image, mask, name), len(self.names))
        maps = np.stack([self._map(cell, f"a map of {name}", mask.shape) for cell in row[MAPS]])
        ids = id_table(self.names, classes)[1 : len(classes) + 1]
        own_ids = np.where(mask == IGNORE_ID, IGNORE_ID, BACKGROUND_ID).astype(np.uint8)
        for place, own in enumerate(ids, start=1):
            own_ids[mask == own] = place
        names = [self.names[own] for own in ids]
        return MappedPair(torch.from_numpy(image), torch.from_numpy(maps), torch.from_numpy(own_ids), names)

    def _map(self, cell: Mapping[str, Any], name: str, size: tuple[int, ...]) -> np.ndarray:
        """Class map float32 (H, W) in [0, 1]."""
        grey = rgb_pixels(opened(picture_file(cell, name, self.home), name), name)[..., 0]
        if grey.shape != size:
            raise ValueError(f"{name} is {grey.shape[1]}×{grey.shape[0]}, the mask {size[1]}×{size[0]}")
        return grey.astype(np.float32) / 255


def _opened(cell: Mapping[str, Any], name: str) -> Image.Image:
    return opened(cell["bytes"], name)


def encoded_labels(pairs: MappedPairs, numbers: Iterable[int], options: RefineOptions) -> bytes:
    """The confident labels of some pairs, by number, as one file."""
    labels: dict[str, Any] = {}
    for number in numbers:
        pair = pairs[number]
        labels[str(number)] = confident_labels(pair.image, pair.maps, pair.names, options).numpy()
    stream = io.BytesIO()
    np.savez_compressed(stream, **labels)
    return stream.getvalue()


@dataclass(frozen=True)
class ConfidentExamples:
    """What AffinityNet trains on: labels that were made once, read when needed as images are.

    labels: the file of `encoded_labels` that has those of a pair.
    """

    pairs: MappedPairs
    labels: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: int) -> AffinityExample:
        with np.load(io.BytesIO(self.labels(number)), allow_pickle=False) as labels:
            return AffinityExample(self.pairs[number].image, torch.from_numpy(labels[str(number)]))


def refitted_objects(
    row: Mapping[str, Any], pair: MappedPair, labels: np.ndarray, table: np.ndarray
) -> dict[str, Any]:
    """The cells of a row's objects, told apart in the mask that it had, in the labels (H, W) that it gets."""
    before, name = pair.mask.numpy(), f"the objects of {row.get('id')}"
    numbers = object_ids(_opened(row[INSTANCES], name), name)
    check_objects(numbers, before, name)
    fit = fitted(numbers, before, labels, countable(labels))
    return object_cells(described(fit, labels, [BACKGROUND, *pair.names]), table)


def refined_row(
    pairs: MappedPairs, number: int, refinement: Refinement, network: AffinityNet | None
) -> dict[str, Any]:
    """A row with its mask refined and the method's name with "+refined"; all else as stored."""
    pair, row = pairs[number], pairs.stored[number]
    image = pair.image.numpy()
    features = image_features(network, image) if network else None
    labels = refined_mask(image, pair.maps.numpy(), pair.mask.numpy(), pair.names, refinement, features)
    table = id_table(pairs.names, row["classes"])
    row["mask"] = picture_cell(encoded(table[labels]))
    if row.get(PREVIEW):
        row[PREVIEW] = preview_cell(image, table[labels], pairs.names)
    if row.get(INSTANCES):
        row |= refitted_objects(row, pair, labels, table)
    if "method" in row:
        row["method"] = f"{row['method']}+refined"
    return row
