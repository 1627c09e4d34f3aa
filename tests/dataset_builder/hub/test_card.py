"""The card is what the Hub and `datasets` read: metadata, class names, counts, a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import load_dataset_builder
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard
from PIL import Image

import hub_cards
from dataset_builder.building.manifest import Manifest
from dataset_builder.dataset_folder import read_rows
from dataset_builder.hub.card import size_category, write_card
from tests.cards import check_card
from train_segmenter import mean_iou


@pytest.fixture(scope="module")
def card(built) -> DatasetCard:
    return DatasetCard.load(built / "README.md")


def test_the_metadata_is_what_the_hub_and_datasets_understand(card, hub):
    card.validate()
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    assert configs["default"]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    info = DatasetInfosDict.from_dataset_card_data(card.data)["default"]
    assert info.features["classes"].feature.names[:2] == ["background", "star"]
    assert card.data.task_categories == ["image-segmentation"]
    assert card.data.size_categories == "n<1K"
    assert card.data.license == "cc0-1.0"


def test_the_card_is_markdown_as_it_was_meant(built):
    assert check_card((built / "README.md").read_text(), built) == 4, "columns, classes, contrast, software"


def test_the_cards_that_are_no_templates_are_markdown_too():
    space, metric = hub_cards.FOLDER / "space/README.md", Path(mean_iou.path()) / "README.md"
    assert [check_card(own.read_text()) for own in (space, metric)] == [0, 1]


def test_datasets_takes_the_class_names_from_the_card(built, tmp_path):
    info = load_dataset_builder(str(built), cache_dir=str(tmp_path)).info
    assert info.features["classes"].feature.int2str(8) == "tree"
    assert info.splits["train"].num_examples == Manifest.read(built).tally.pairs


def test_the_counts_are_those_of_the_rows(built, card):
    rows = list(read_rows(built))
    for own, name in json.loads((built / "id2label.json").read_text()).items():
        if name != "background":
            count = sum(int(own) in row["classes"] for row in rows)
            assert f"| {own} | {name} | `#" in card.text
            assert f"` | {count} |\n" in card.text.split(f"| {own} | {name} |")[1][:30]
    assert f"{len(rows)} generated images with segmentation masks of 8\nclasses" in card.text


def test_the_recipe_and_how_to_load_stand_in_it(card):
    assert "vocabulary: tiny-world" in card.text
    assert 'load_dataset("shapes", split="train")' in card.text
    assert "method\n`exact`; model\n`painted`" in card.text


def test_the_sample_picture_is_there(built, card):
    assert "![The first pairs](assets/samples.png)" in card.text
    assert Image.open(built / "assets" / "samples.png").width > 4 * 32


def test_skipped_pairs_are_told_with_their_reason(built, card):
    skipped = Manifest.read(built).tally.skipped
    assert skipped
    assert f"{sum(skipped.values())} prompts gave no pair: mask empty ({skipped['mask empty']})." in card.text


def test_a_derived_folder_without_a_manifest_has_a_card_too(folder):
    (folder / "manifest.json").unlink()
    (folder / "README.md").unlink()
    write_card(folder, "someone/else", license="mit")
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == "mit"
    assert card.text.lstrip().startswith("# else")
    assert "## Recipe" not in card.text


def test_an_unfinished_build_has_no_card(folder):
    manifest = Manifest.read(folder)
    manifest.tally = None
    manifest.write(folder)
    with pytest.raises(ValueError, match=r"is unfinished: run the same attnmask build --out .* again"):
        write_card(folder)


def test_a_folder_without_data_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no Parquet files"):
        write_card(tmp_path)


@pytest.mark.parametrize(
    ("pairs", "word"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**5, "100K<n<1M"), (10**9, "1B<n<10B")],
)
def test_sizes_are_in_the_hubs_words(pairs, word):
    assert size_category(pairs) == word
