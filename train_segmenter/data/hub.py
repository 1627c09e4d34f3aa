"""Datasets with image and mask columns: ours, a folder of Parquet, or one of the Hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np

from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.pictures import mask_ids, rgb_pixels
from train_segmenter.data.base import Sample
from train_segmenter.data.folder import names_by_id

MASK_COLUMNS = ("mask", "label", "labels", "annotation", "segmentation_mask", "semantic_segmentation")
LABEL_FILE = "id2label.json"
LOOKED_AT = 32  # rows that tell what the ids mean


@dataclass(frozen=True)
class HubPairs:
    """An opened dataset; its pairs are named by the `id` column where there is one."""

    dataset: datasets.Dataset
    class_names: tuple[str, ...]
    image_column: str = "image"
    mask_column: str = "mask"

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        if "id" in self.dataset.column_names:
            return str(self.dataset.select_columns("id")[index]["id"])
        return f"row {index}"

    def __getitem__(self, index: int) -> Sample:
        row = self.dataset[index]
        image, mask = row[self.image_column], row[self.mask_column]
        name = str(row.get("id", f"row {index}"))
        if image is None or mask is None:
            raise ValueError(f"The pair {name} has no {'image' if image is None else 'mask'}.")
        return Sample(rgb_pixels(image, name), mask_ids(mask, name), name)


def hub(path: str, split: str = "train") -> HubPairs:
    """A dataset folder (Parquet and card, or `save_to_disk`) or a Hub name."""
    folder = Path(path)
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        dataset = datasets.load_from_disk(path)
        dataset = dataset[split] if isinstance(dataset, datasets.DatasetDict) else dataset
    else:
        with within_reach(path, "dataset"):
            dataset = datasets.load_dataset(path, split=split)
    return from_dataset(dataset, _names_of_file(path), path)


def from_dataset(
    dataset: datasets.Dataset, names: tuple[str, ...] | None = None, origin: str = "the dataset"
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
    names = names or _names_of_features(dataset, mask_column, origin)
    if names is None:
        raise ValueError(
            f"{origin} does not say its class names. Put {LABEL_FILE} beside it, or add a `classes` column "
            "of ClassLabel."
        )
    return HubPairs(dataset, names, mask_column=mask_column)


def _names_of_features(dataset: datasets.Dataset, mask_column: str, origin: str) -> tuple[str, ...] | None:
    """The names of `classes: List(ClassLabel)` by mask id."""
    label = getattr(dataset.features.get("classes"), "feature", None)
    if not isinstance(label, datasets.ClassLabel):
        return None
    names = tuple(label.names)
    if BACKGROUND in names:
        return names
    as_ids = after_background = True
    for row in dataset.select_columns(["classes", mask_column]).select(range(min(len(dataset), LOOKED_AT))):
        if row[mask_column] is None:  # reading the pair says so
            continue
        ids = set(np.unique(mask_ids(row[mask_column], "of a row")).tolist()) - {IGNORE_ID}
        classes = set(row["classes"])
        as_ids &= ids <= classes
        after_background &= ids <= {0, *(number + 1 for number in classes)}
    if as_ids == after_background:
        raise ValueError(
            f"{origin} does not say what id 0 of its masks is: its classes {', '.join(names[:3])}, … name no "
            f"{BACKGROUND}, and its rows fit {'either' if as_ids else 'neither'} way of counting. Put "
            f'{LABEL_FILE} beside it, as {{"0": "{names[0]}", …}} or '
            f'{{"0": "{BACKGROUND}", "1": "{names[0]}", …}}.'
        )
    return names if as_ids else (BACKGROUND, *names)


def _names_of_file(path: str) -> tuple[str, ...] | None:
    file = Path(path) / LABEL_FILE if Path(path).exists() else _download_labels(path)
    if file is None or not file.is_file():
        return None
    return names_by_id(json.loads(file.read_text(encoding="utf-8")), str(file))


def _download_labels(repo: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(repo, LABEL_FILE, repo_type="dataset"))
    except EntryNotFoundError:  # it has none; or it is cached without, and the Hub is not within reach
        return None
