"""Rows as a dataset folder, as other programs write one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets

from dataset_builder.dataset_folder import write_labels


def store_rows(
    splits: Mapping[str, Sequence[dict[str, Any]]],
    features: datasets.Features,
    class_names: Sequence[str],
    folder: Path,
) -> None:
    """A file for each split, with the class names beside them."""
    for split, rows in splits.items():
        table = datasets.Dataset.from_list(list(rows), features=features)
        table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    write_labels(class_names, folder)
