"""What a dataset is made from, as one word, by which a run knows the files that an earlier one left."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dataset_builder.building.manifest import SOFTWARE
from dataset_builder.content_digest import content_digest
from dataset_builder.plain_values import digest
from diffusers_attnmask.ground.mirror import fetched
from train_segmenter.data.shards import hub_revision
from train_segmenter.data.split_parts import data_word

VERSION = 1  # of what stages make of the same options and data
BESIDE = (".html", ".md", ".log")  # pages, which say of the data and are none
SAMPLED_BYTES = 1 << 12  # of each end of a file: where Parquet, PNG and JPEG say what they hold


def identity_of(stage: str, data: str | Path, decides: Mapping[str, Any]) -> str:
    """Of what a stage makes with what is installed here.

    data: the path of a folder, or the name of a dataset of the Hub, or parts of it (`folder@train[:10%]`).
    decides: what else decides a byte.
    """
    path, parts = data_word(data)
    folder = Path(fetched(path))
    return digest(
        {
            "stage": [stage, VERSION],
            "data": content_digest(folder, SAMPLED_BYTES, _counts) if folder.exists() else _of_hub(path),
            "parts": list(map(str, parts)),
            "decides": json.loads(json.dumps(decides, default=str)),
            "software": [platform.python_version(), *map(version, SOFTWARE)],
        }
    )


def _of_hub(name: str) -> str:
    return f"{name}@{hub_revision(name)}"


def _counts(path: Path) -> bool:
    return path.suffix not in BESIDE and not path.name.startswith(".")
