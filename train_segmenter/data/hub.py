"""Datasets with image and mask columns: ours, a folder of Parquet, or one of the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from diffusers_attnmask.ground.columns import INSTANCES
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.pictures import mask_ids, object_ids, opened, rgb_pixels
from train_segmenter.data.base import Sample, checked
from train_segmenter.data.home import Home
from train_segmenter.data.names import LABELS, check_labels, labels_of, read_labels, read_names
from train_segmenter.data.shards import open_rows

MASK_COLUMNS = ("mask", "label", "labels", "annotation", "segmentation_mask", "semantic_segmentation")
LOOKED_AT = 32  # rows that tell what the ids mean
ANYWHERE = Home(Path(), outside=True)


@dataclass(frozen=True)
class HubPairs:
    """An opened dataset; its pairs are named by the `id` column where there is one.

    home: where pictures lie that rows only name, None for nowhere.
    """

    dataset: datasets.Dataset
    class_names: tuple[str, ...]
    image_column: str = "image"
    mask_column: str = "mask"
    home: Home | None = field(default=ANYWHERE, repr=False)

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        return f"row {index}" if self._ids is None else str(self._ids[index]["id"])

    @cached_property
    def _ids(self) -> datasets.Dataset | None:
        return self.dataset.select_columns("id") if "id" in self.dataset.column_names else None

    def __getitem__(self, index: int) -> Sample:
        name = self.name(index)
        image = rgb_pixels(opened(self.image_file(index), name), name)
        mask_name = f"the mask of {name}"
        mask = mask_ids(opened(self.mask_file(index), mask_name), mask_name)
        return checked(Sample(image, mask, name, self.objects(index)), len(self.class_names))

    @cached_property
    def tells_objects(self) -> bool:
        return isinstance(self.dataset.features.get(INSTANCES), datasets.Image)

    def objects(self, index: int) -> np.ndarray | None:
        """Numbers uint16 (H, W) of the objects of a pair, where the data tell them apart."""
        if not self.tells_objects or self._cell(INSTANCES, index) is None:
            return None
        name = f"the objects of {self.name(index)}"
        return object_ids(opened(self._file(INSTANCES, index, "objects"), name), name)

    def image_file(self, index: int) -> bytes:
        """The encoded image of a pair, as it is stored."""
        return self._file(self.image_column, index, "image")

    def mask_file(self, index: int) -> bytes:
        """The encoded mask of a pair, as it is stored."""
        return self._file(self.mask_column, index, "mask")

    def _file(self, column: str, index: int, what: str) -> bytes:
        return picture_file(self._cell(column, index), f"the {what} of {self.name(index)}", self.home)

    def _cell(self, column: str, index: int) -> Any:
        return self._stored[column][index][column]

    @cached_property
    def _stored(self) -> dict[str, datasets.Dataset]:
        """The columns of pictures, each alone and not decoded."""
        columns = (self.image_column, self.mask_column, *([INSTANCES] if self.tells_objects else []))
        return {name: undecoded(self.dataset.select_columns(name)) for name in columns}


def picture_file(cell: Any, name: str, home: Home | None) -> bytes:
    """The encoded picture of a cell `{"bytes", "path"}`: within it, or a file that it names below `home`."""
    if not isinstance(cell, Mapping) or (cell.get("bytes") is None and not cell.get("path")):
        raise ValueError(f"there is no picture where {name} should be")
    if cell.get("bytes") is not None:
        return cell["bytes"]
    if home is None:
        raise ValueError(
            f"{name} is a file on the machine of its maker, {cell['path']!r}, and not in the row"
        )
    file = home.file(cell["path"])
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}, which should be {name}")
    return file.read_bytes()


def undecoded(dataset: datasets.Dataset) -> datasets.Dataset:
    """The same rows with pictures as stored bytes, so that copying does not encode them again."""
    for name, feature in dataset.features.items():
        inner = getattr(feature, "feature", None)
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(name, datasets.Image(decode=False))
        elif isinstance(inner, datasets.Image):
            dataset = dataset.cast_column(name, datasets.List(datasets.Image(decode=False)))
    return dataset


def hub(path: str, split: str = "train", *, outside: bool = False) -> HubPairs:
    """A dataset folder (Parquet and card, or `save_to_disk`) or a Hub name."""
    dataset, home = open_rows(path, split, outside=outside), home_of(path, outside)
    return from_dataset(dataset, names_beside(path, dataset.features), path, home)


def home_of(path: str | Path, outside: bool = False) -> Home | None:
    """Where pictures lie that the rows of a dataset only name: nowhere where it comes from the Hub."""
    return Home(Path(path), outside) if Path(path).exists() else None


def from_dataset(
    dataset: datasets.Dataset,
    names: tuple[str, ...] | None = None,
    origin: str = "the dataset",
    home: Home | None = ANYWHERE,
) -> HubPairs:
    """A source from an opened dataset; the names come from its `classes` feature where they are not given.

    Where that feature names no background, the first rows tell whether its numbers are the masks' ids, as in
    datasets of attnmask without a background, or come after an unnamed background.
    """
    mask_column = next((column for column in MASK_COLUMNS if column in dataset.column_names), None)
    if "image" not in dataset.column_names or mask_column is None:
        raise ValueError(
            f"{origin} has the columns {', '.join(dataset.column_names)}; needed are image and one of "
            f"{', '.join(MASK_COLUMNS)}."
        )
    for column in ("image", mask_column):
        if not isinstance(dataset.features[column], datasets.Image):
            raise ValueError(
                f"{origin} holds no pictures in its column {column}: {dataset.features[column]}."
            )
    if not len(dataset):
        raise ValueError(f"{origin} holds no pair.")
    names = names or _names_of_features(dataset, mask_column, origin, home)
    if names is None:
        raise ValueError(
            f"{origin} does not say its class names. Put {LABELS} beside it, or add a `classes` column "
            "of ClassLabel."
        )
    return HubPairs(dataset, names, mask_column=mask_column, home=home)


def _names_of_features(
    dataset: datasets.Dataset, mask_column: str, origin: str, home: Home | None
) -> tuple[str, ...] | None:
    """The names of `classes: List(ClassLabel)` by mask id."""
    names = labels_of(dataset.features)
    if names is None or BACKGROUND in names:
        return names
    as_ids = after_background = True
    few = dataset.select_columns(["classes", mask_column]).select(range(min(len(dataset), LOOKED_AT)))
    for number, row in enumerate(undecoded(few)):
        name = f"the mask of row {number}"
        mask = mask_ids(opened(picture_file(row[mask_column], name, home), name), name)
        ids = set(np.unique(mask).tolist()) - {IGNORE_ID}
        classes = set(row["classes"] or ())
        as_ids &= ids <= classes
        after_background &= ids <= {0, *(number + 1 for number in classes)}
    if as_ids == after_background:
        raise ValueError(
            f"{origin} does not say what id 0 of its masks is: its classes {', '.join(names[:3])}, … name no "
            f"{BACKGROUND}, and its rows fit {'either' if as_ids else 'neither'} way of counting. Put "
            f'{LABELS} beside it, as {{"0": "{names[0]}", …}} or '
            f'{{"0": "{BACKGROUND}", "1": "{names[0]}", …}}.'
        )
    return names if as_ids else (BACKGROUND, *names)


def names_beside(path: str, features: datasets.Features) -> tuple[str, ...] | None:
    """The names that a file beside a dataset says; None without one. Its labels must be the same, though they
    may leave a background out."""
    if Path(path).exists():
        names = read_names(Path(path))
    else:
        file = _download_labels(path)
        names = read_labels(file) if file is not None else None
    labels = labels_of(features)
    if names is not None and labels is not None:
        unnamed = names[0] == BACKGROUND and BACKGROUND not in labels
        check_labels(names, (BACKGROUND, *labels) if unnamed else labels, LABELS, path)
    return names


def _download_labels(repo: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(repo, LABELS, repo_type="dataset"))
    except EntryNotFoundError:  # it has none; or it is cached without, and the Hub is not within reach
        return None
