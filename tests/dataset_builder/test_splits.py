"""What is made of a dataset with several splits keeps them, of all of it or of parts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from dataset_builder.augmentation.run import AugmentRun, augment_dataset
from dataset_builder.dataset_folder import read_rows, split_files
from dataset_builder.export.convert import ExportOptions, convert, read_any
from dataset_builder.hub.card import write_card
from dataset_builder.noise import run as noise
from dataset_builder.noise.prune import Judged, PruneOptions
from dataset_builder.noise.run import FilterRun, filter_dataset
from dataset_builder.refinement.run import RefineRun, refine_dataset
from dataset_builder.report.collect import ReportOptions, collect
from dataset_builder.report.run import report_dataset
from diffusers_attnmask.ground.columns import MAPS, pair_features
from tests.train_segmenter.shapes import NAMES, draw
from train_segmenter.data.split_parts import parts_of

SPLITS = {"train": 5, "validation": 3, "test": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pairs with class maps in three splits, and a card."""
    path = tmp_path_factory.mktemp("splits") / "pairs"
    (path / "data").mkdir(parents=True)
    features = pair_features(NAMES, maps=True)
    for split, count in SPLITS.items():
        rows = [row(f"{split}-{number}", number) for number in range(count)]
        file = path / "data" / f"{split}-00000-of-00001.parquet"
        datasets.Dataset.from_list(rows, features=features).to_parquet(file)
    write_card(path, license="cc0-1.0")
    return path


def row(name: str, seed: int) -> dict:
    image, mask = draw(seed)
    ids = [int(own) for own in np.unique(mask) if own]
    maps = [Image.fromarray(255 * (mask == own).astype(np.uint8)) for own in ids]
    told = {
        "id": name,
        "prompt": f"prompt {seed}",
        "classes": ids,
        "seed": seed,
        "method": "exact",
        "model": "",
    }
    pictures = {"image": Image.fromarray(image), "mask": Image.fromarray(mask), MAPS: maps}
    return told | pictures | {"quality": 1.0}


def ids(folder: Path) -> dict[str, list[str]]:
    """The names of the pairs of each split, as `load_dataset` finds them."""
    read = datasets.load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))
    return {split: own["id"][:] for split, own in read.items()}


def named(**counts: int) -> dict[str, list[str]]:
    return {split: [f"{split}-{number}" for number in range(count)] for split, count in counts.items()}


def test_the_card_lists_every_split_and_load_dataset_reads_them(folder):
    data = DatasetCard.load(folder / "README.md").data.to_dict()
    paths = {split: f"data/{split}-*.parquet" for split in SPLITS}
    assert data["configs"][0]["data_files"] == [{"split": k, "path": v} for k, v in paths.items()]
    assert {own["name"]: own["num_examples"] for own in data["dataset_info"]["splits"]} == SPLITS
    assert ids(folder) == named(**SPLITS)
    assert [row["id"] for row in read_rows(folder, parts=parts_of("validation[1:]+train[:1]"))] == [
        *("validation-1", "validation-2", "train-0")
    ]


def test_refine_keeps_them(folder, tmp_path):
    refine_dataset(folder, tmp_path / "all", RefineRun(method="crf"), progress=False)
    assert ids(tmp_path / "all") == named(**SPLITS)
    refine_dataset(f"{folder}@train[:40%]+test", tmp_path / "some", RefineRun(method="crf"), progress=False)
    assert ids(tmp_path / "some") == named(train=2, test=1)
    assert DatasetCard.load(tmp_path / "some" / "README.md").data.license == "cc0-1.0"


def test_filter_keeps_them(folder, tmp_path, monkeypatch):
    """A judge that is against every second pair."""

    def judged(stage, *others):
        source = stage.source
        return [Judged(source.name(i), {"red": float(i % 2 == 0)}, {"red": 0.5}) for i in range(len(source))]

    monkeypatch.setattr(noise, "judged_pairs", judged)
    run = FilterRun(prune=PruneOptions(thresholds={"default": 0.5}))
    filter_dataset(folder, tmp_path / "all", run, progress=False)
    assert ids(tmp_path / "all") == {
        "train": ["train-0", "train-2", "train-4"],
        "validation": ["validation-1"],
        "test": ["test-0"],
    }
    filter_dataset(f"{folder}@validation", tmp_path / "some", run, progress=False)
    assert ids(tmp_path / "some") == {"validation": ["validation-0", "validation-2"]}


def test_augment_changes_training_pairs_and_keeps_the_others(folder, tmp_path):
    made = augment_dataset(folder, tmp_path / "all", AugmentRun(copies=2), progress=False)
    found = ids(tmp_path / "all")
    assert {split: len(own) for split, own in found.items()} == {**SPLITS, "train": 15}
    assert {split: found[split] for split in ("validation", "test")} == named(validation=3, test=1)
    assert (made.pairs, made.of) == (19, 9)
    augment_dataset(f"{folder}@validation[:1]", tmp_path / "some", progress=False)
    assert ids(tmp_path / "some") == {"validation": ["validation-0", "validation-0-1"]}


def test_export_keeps_them(folder, tmp_path):
    for to in ("voc", "coco", "mmseg", "folder", "dataset"):
        pairs, home = convert(str(folder), tmp_path / to, ExportOptions(to))
        assert {split: len(own) for split, own in pairs.splits.items()} == SPLITS
        word = str(home) if to == "dataset" else f"{to}:{home}"
        assert {split: list(own.names) for split, own in read_any(word).splits.items()} == named(**SPLITS)
        split = "validation" if to == "dataset" else "val"
        part = read_any(f"{word}@{split}[1:]+{split}[:1]")
        assert {name: list(own.names) for name, own in part.splits.items()} == {
            "validation": ["validation-1", "validation-2", "validation-0"]
        }


def test_report_tells_them_and_looks_at_parts(folder, tmp_path):
    assert "train 5, validation 3, test 1" in report_dataset(folder, tmp_path / "all.html").read_text()
    page = report_dataset(f"{folder}@validation[1:]", tmp_path / "some.html").read_text()
    assert "2 pairs" in page
    some = collect(folder, ReportOptions(progress=False), parts_of("validation[1:]"))
    assert [shown.id for shown in some.gallery] == ["validation-1", "validation-2"]
    assert (some.pairs, sum(some.coverage), some.facts.tally.pairs) == (2, 2, 2)


def test_a_split_that_is_not_there_is_told_before_anything_is_written(folder, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "data" / "test-00000-of-00001.parquet").unlink()
    (bare / "README.md").unlink()
    word, out = f"{bare}@test", tmp_path / "out"
    for run in (
        lambda: refine_dataset(word, out, RefineRun(method="crf"), progress=False),
        lambda: filter_dataset(word, out, progress=False),
        lambda: augment_dataset(word, out, progress=False),
        lambda: convert(word, out, ExportOptions("folder")),
        lambda: report_dataset(word, out.with_suffix(".html")),
    ):
        with pytest.raises(ValueError, match=r"bare has no split 'test'; it has train, validation"):
            run()
    assert not out.exists()
    assert list(split_files(bare)) == ["train", "validation"]
    assert json.loads((bare / "id2label.json").read_text())["0"] == "background"
