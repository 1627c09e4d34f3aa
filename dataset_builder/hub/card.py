"""`README.md`, `id2label.json` and the sample picture: what makes a folder of shards a dataset."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import yaml
from datasets import DatasetInfo, SplitInfo
from datasets.info import DatasetInfosDict
from datasets.splits import SplitDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

from dataset_builder.dataset_folder import read_pairs, shard_paths, write_labels
from dataset_builder.hub.dataset_summary import DatasetSummary, summary_of
from diffusers_attnmask.ground.drawing import contact_sheet, overlay
from diffusers_attnmask.ground.legend import entries_of
from diffusers_attnmask.ground.pictures import write_picture
from diffusers_attnmask.publishing import CARD, is_own_card, write_card_file
from hub_cards import rendered

PICTURE = "assets/samples.png"
SAMPLES = 12
SIZES = (
    *((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")),
    *((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B")),
)


def write_card(folder: Path, repo: str | None = None, license: str | None = None) -> Path:
    """Write the card of a dataset folder, with what it refers to, unless the card there is a person's own.
    Returns the card's path."""
    if not is_own_card(folder, license):
        return folder / CARD
    facts = summary_of(folder)
    write_labels(facts.class_names, folder)
    write_samples(folder, facts)
    title = (repo or folder.resolve().name).rpartition("/")[2]
    license = license or license_of(folder) or (facts.recipe or {}).get("license", "other")
    content = rendered(
        "dataset_card.md",
        card_data=card_data(facts, folder, title, license).to_yaml(),
        title=title,
        repo=repo or title,
        facts=facts,
        tally=facts.tally,
        skipped=sum(facts.tally.skipped.values()),
        colours=["#{:02x}{:02x}{:02x}".format(*colour) for colour in facts.palette],
        quality=quality_bins(facts.tally.quality),
        picture=PICTURE,
        recipe=yaml.safe_dump(dict(facts.recipe or {}), sort_keys=False, allow_unicode=True).strip(),
    )
    return write_card_file(folder, content)


def write_derived_card(folder: Path, name: str, origin: Path) -> Path:
    """Write the card of a dataset made from another one: under its own name, with the other's licence."""
    return write_card(folder, name, license_of(origin))


def license_of(folder: Path) -> str | None:
    """What the card of a dataset says, if there is one."""
    card = folder / CARD
    try:
        return DatasetCard.load(card).data.license if card.is_file() else None
    except (ValueError, yaml.YAMLError):  # a person's own card, written amiss
        return None


def card_data(facts: DatasetSummary, folder: Path, title: str, license: str) -> DatasetCardData:
    """The YAML head: what the Hub lists, and what `datasets` needs to load the files with class names."""
    splits = SplitDict()
    for split, own in facts.splits.items():
        splits.add(SplitInfo(split, num_bytes=own.size, num_examples=own.pairs))
    size = sum(own.size for own in facts.splits.values())
    info = DatasetInfo(features=facts.features, splits=splits, dataset_size=size, download_size=size)
    data = DatasetCardData(
        license=license,
        annotations_creators="machine-generated",
        language_creators="machine-generated",
        language="en",
        task_categories=["image-segmentation"],
        task_ids=["semantic-segmentation"],
        size_categories=size_category(facts.tally.pairs),
        source_datasets=["original"],
        pretty_name=title,
        tags=["synthetic", "diffusers-attnmask", "attention-masks"],
    )
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    place = shard_paths(folder)[0].parent.relative_to(folder)
    form = "{}-*.parquet" if len(facts.splits) > 1 else "*.parquet"
    data_files = [{"split": split, "path": (place / form.format(split)).as_posix()} for split in facts.splits]
    MetadataConfigs({"default": {"data_files": data_files}}).to_dataset_card_data(data)
    return data


def write_samples(folder: Path, facts: DatasetSummary) -> None:
    """The first pairs, their masks laid over them, as one picture with its legend."""
    overlays, prompts = [], []
    ids: set[int] = set()
    for pair in islice(read_pairs(folder), SAMPLES):
        overlays.append(
            overlay(pair.image, pair.mask, facts.class_names, palette=facts.palette, legend=False)
        )
        prompts.append(pair.row.get("prompt") or "")
        ids.update(np.unique(pair.mask).tolist())
    legend = entries_of(facts.class_names, ids, facts.palette)
    write_picture(contact_sheet(overlays, columns=4, captions=prompts, legend=legend), folder / PICTURE)


def quality_bins(counts: list[int]) -> list[tuple[str, int]]:
    """Counts under the bounds of their bins."""
    parts = len(counts)
    return [(f"{own / parts:.1f}–{(own + 1) / parts:.1f}", count) for own, count in enumerate(counts)]


def size_category(pairs: int) -> str:
    """The Hub's word for a number of pairs.

    >>> size_category(256), size_category(40_000)
    ('n<1K', '10K<n<100K')
    """
    return next((word for limit, word in SIZES if pairs < limit), "1B<n<10B")
