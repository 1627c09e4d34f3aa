"""`README.md`, `id2label.json` and the sample picture that make a folder of shards a dataset anyone can load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from datasets import DatasetInfo, SplitInfo
from datasets.info import DatasetInfosDict
from datasets.splits import SplitDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

from dataset_builder.building.layout import SPLIT
from dataset_builder.building.manifest import Manifest
from dataset_builder.features import pair_features
from dataset_builder.files import replacing, write_text
from dataset_builder.pairs import read_pairs, shard_paths
from dataset_builder.recipe import Recipe
from dataset_builder.vocabulary import load_vocabulary
from diffusers_attnmask.pictures import contact_sheet, overlay

CARD = "README.md"
LABELS = "id2label.json"
PICTURE = "assets/samples.png"
SAMPLES = 12
SIZES = (
    *((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")),
    *((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B")),
)


def write_card(folder: Path, repo: str | None = None) -> Path:
    """Write the card of a complete build, with what it refers to. Returns the card's path."""
    manifest = Manifest.read(folder)
    if manifest is None or not manifest.complete:
        raise FileNotFoundError(f"{folder} holds no complete build: run attnmask build into it first")
    recipe = Recipe.from_dict(manifest.recipe)
    vocabulary = load_vocabulary(recipe.vocabulary)
    write_text(folder / LABELS, json.dumps(vocabulary.id2label, indent=2, ensure_ascii=False) + "\n")
    write_samples(folder, vocabulary.class_names)
    title = (repo or folder.resolve().name).rpartition("/")[2]
    card = DatasetCard.from_template(
        card_data(manifest, recipe, folder, title),
        template_str=files("hub_cards").joinpath("dataset_card.md").read_text(encoding="utf-8"),
        title=title,
        repo=repo or str(folder),
        tally=manifest.tally,
        skipped=sum(manifest.tally.skipped.values()),
        class_names=vocabulary.class_names,
        colours=["#{:02x}{:02x}{:02x}".format(*colour) for colour in vocabulary.palette],
        ignore=vocabulary.ignore_index,
        background=vocabulary.background,
        quality=list(zip(quality_bins(len(manifest.tally.quality)), manifest.tally.quality, strict=True)),
        picture=PICTURE,
        recipe=yaml.safe_dump(dict(manifest.recipe), sort_keys=False, allow_unicode=True).strip(),
        software=manifest.inputs["software"],
        **first_row_names(folder),
    )
    write_text(folder / CARD, card.content)
    return folder / CARD


def card_data(manifest: Manifest, recipe: Recipe, folder: Path, title: str) -> DatasetCardData:
    """The YAML head: what the Hub lists, and what `datasets` needs to load the files with class names."""
    features = pair_features(load_vocabulary(recipe.vocabulary).class_names, maps=recipe.maps)
    size = sum(path.stat().st_size for path in shard_paths(folder))
    split = SplitInfo(SPLIT, num_bytes=size, num_examples=manifest.tally.pairs)
    info = DatasetInfo(
        features=features, splits=SplitDict.from_split_dict([split]), dataset_size=size, download_size=size
    )
    data = DatasetCardData(
        license=recipe.license,
        annotations_creators="machine-generated",
        language_creators="machine-generated",
        language="en",
        task_categories=["image-segmentation"],
        task_ids=["semantic-segmentation"],
        size_categories=size_category(manifest.tally.pairs),
        source_datasets=["original"],
        pretty_name=title,
        tags=["synthetic", "diffusers-attnmask", "attention-masks"],
    )
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    paths = {"data_files": [{"split": SPLIT, "path": f"data/{SPLIT}-*"}]}
    MetadataConfigs({"default": paths}).to_dataset_card_data(data)
    return data


def write_samples(folder: Path, class_names: Sequence[str]) -> None:
    """The first pairs side by side, image over mask, as one picture."""
    overlays, prompts = [], []
    for pair in islice(read_pairs(folder), SAMPLES):
        overlays.append(overlay(pair.image, np.asarray(pair.mask), class_names, legend=False))
        prompts.append(pair.prompt)
    with replacing(folder / PICTURE) as partial:
        contact_sheet(overlays, columns=4, captions=prompts).save(partial, "PNG")


def first_row_names(folder: Path) -> dict[str, Any]:
    """The names in the method and model columns."""
    first = next(read_pairs(folder))
    return {"method": first.method, "model": first.model}


def quality_bins(count: int) -> list[str]:
    return [f"{index / count:.1f}–{(index + 1) / count:.1f}" for index in range(count)]


def size_category(pairs: int) -> str:
    """The Hub's word for a number of pairs.

    >>> size_category(256), size_category(40_000)
    ('n<1K', '10K<n<100K')
    """
    return next((word for limit, word in SIZES if pairs < limit), "1B<n<10B")
