"""`attnmask augment` makes a new dataset beside an untouched one."""

import json
import shutil

import datasets
import numpy as np
import pytest
from huggingface_hub import DatasetCard
from typer import Typer
from typer.testing import CliRunner

import tiny_world
from dataset_builder.augmentation.rows import AugmentedRows
from dataset_builder.augmentation.run import AugmentRun, augment_dataset
from dataset_builder.commands.augment import augment
from dataset_builder.hub.card import write_card
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.data import check_source, open_source
from train_segmenter.data.hub import from_dataset

app = Typer()
app.command()(augment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny_world.dataset(6).to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_copies_stand_after_their_originals(folder, tmp_path):
    out = tmp_path / "more"
    result = run(
        "--data", folder, "--out", out, "--copies", 2, "--seed", 3, "--grid", "2x2", "--grid", "1x2", "--json"
    )
    assert json.loads(result.stdout.splitlines()[-1]) == {"out": str(out), "pairs": 18, "of": 6}
    before, after = (datasets.load_dataset(str(path), split="train") for path in (folder, out))
    assert after.features == before.features
    assert after["id"][:4] == ["train-000000", "train-000000-1", "train-000000-2", "train-000001"]
    assert after[3]["prompt"] == before[1]["prompt"]
    np.testing.assert_array_equal(after[3]["image"], before[1]["image"])
    for row in after:
        mask = np.asarray(row["mask"])
        assert mask.dtype == np.uint8 and row["image"].size == row["mask"].size
        assert sorted(row["classes"]) == [i for i in np.unique(mask) if 0 < i < 255]
    check_source(open_source(str(out)), progress=False)
    spliced = [row["prompt"] for row in after if ";" in row["prompt"]]
    assert spliced and all(part in before["prompt"] for prompt in spliced for part in prompt.split("; "))


def test_turns_alone_uncover_corners_of_every_copy(folder, tmp_path):
    others = [part for name in ("splice", "blur", "occlude", "perspective") for part in (f"--{name}", 0)]
    run("--data", folder, "--out", tmp_path / "turned", "--no-originals", *others, "--turn", 1)
    masks = datasets.load_dataset(str(tmp_path / "turned"), split="train")["mask"]
    assert len(masks) == 6
    for mask in map(np.asarray, masks):
        corners = mask[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == 255).sum() >= 2 and mask[64, 64] != 255


def test_what_comes_of_a_dataset_with_a_card_has_one(folder, tmp_path):
    data = shutil.copytree(folder, tmp_path / "data")
    write_card(data, license="cc0-1.0")
    run("--data", data, "--out", tmp_path / "more")
    card = DatasetCard.load(tmp_path / "more" / "README.md")
    assert (card.data.license, card.data.pretty_name) == ("cc0-1.0", "more")
    assert card.data.dataset_info["splits"][0]["num_examples"] == 12
    assert len(datasets.load_dataset(str(tmp_path / "more"), split="train")) == 12


def test_an_augmented_pair_depends_on_seed_and_number_alone(folder):
    source = from_dataset(datasets.load_dataset(str(folder), split="train"))
    rows = {seed: list(AugmentedRows(source, AugmentOptions(), 1, seed, False)) for seed in (0, 1)}
    again = list(AugmentedRows(source, AugmentOptions(), 2, 0, True))
    assert rows[0][4]["image"] == again[4 * 3 + 1]["image"]
    assert rows[0][4]["image"] != rows[1][4]["image"]


def test_a_folder_that_exists_is_not_touched(folder, tmp_path):
    (tmp_path / "mine").write_text("1")
    with pytest.raises(FileExistsError, match="exists: choose another folder"):
        run("--data", folder, "--out", tmp_path)
    with pytest.raises(ValueError, match="--grid '2': write rows and columns as 2x2"):
        run("--data", folder, "--out", tmp_path / "x", "--grid", "2")


def test_the_same_from_python(folder, tmp_path):
    run("--data", folder, "--out", tmp_path / "typed", "--seed", 3, "--grid", "2x2", "--turn", 0.5)
    asked = AugmentRun(augment=AugmentOptions(grids=((2, 2),), turn=0.5), seed=3)
    made = augment_dataset(folder, tmp_path / "python", asked, progress=False)
    assert (made.pairs, made.of) == (12, 6)
    file = "data/train-00000-of-00001.parquet"
    assert (tmp_path / "python" / file).read_bytes() == (tmp_path / "typed" / file).read_bytes()
    with pytest.raises(ValueError, match="copies must be at least 1, not 0"):
        AugmentRun(copies=0)
