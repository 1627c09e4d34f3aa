"""`attnmask refine` and `attnmask filter` on small datasets of the tiny world."""

import csv
import json
import math

import datasets
import numpy as np
import pytest
import torch
import typer
from huggingface_hub import DatasetCard
from PIL import Image
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

import tiny_world
from dataset_builder.dataset_copies import id_table
from diffusers_attnmask.ground.columns import MAPS, pair_features
from tests.small_models.sam import sam2
from tests.small_models.vision_language import save_llava
from train_segmenter.data import open_source

NAMES = ("background", *tiny_world.CLASSES)
PAIRS = 6


def run(function, *arguments):
    app = typer.Typer()
    app.command()(function)
    result = CliRunner().invoke(app, [str(own) for own in arguments])
    return result.stdout, result.exception


def rows():
    for seed in range(PAIRS):
        image, mask, caption, _ = tiny_world.render(seed)
        classes = [int(own) for own in np.unique(mask) if own]
        soft = [gaussian_filter((mask == own).astype(float), 4) for own in classes]
        yield {
            "image": Image.fromarray(image),
            "mask": Image.fromarray(np.where(mask > 0, mask[mask > 0].max(), 0).astype(np.uint8)),
            "id": f"{seed:08d}",
            "prompt": caption,
            "classes": classes,
            "seed": seed,
            "method": "daam",
            "model": "none",
            "quality": 0.5,
            MAPS: [Image.fromarray((255 * map / map.max()).round().astype(np.uint8)) for map in soft],
        }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs") / "data"
    folder.mkdir()
    features = pair_features(NAMES, maps=True)
    dataset = datasets.Dataset.from_list(list(rows()), features=features)
    dataset.to_parquet(folder / "train-00000-of-00001.parquet")
    (folder.parent / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder.parent


def test_a_dry_run_of_filter_says_how_pairs_would_be_judged(data, tmp_path):
    from dataset_builder.commands.filter import filter

    words = ["--data", data, "--out", tmp_path / "kept", "--folds", 2, "--steps", 30, "--dry-run"]
    output, error = run(filter, *words, "--json")
    assert error is None, output
    plan = json.loads(output)
    assert (plan["pairs"], plan["folds"], plan["steps"]) == (PAIRS, 2, 60)
    assert plan["classes"] == list(NAMES) and plan["training"]["steps"] == 30
    said, error = run(filter, *words, "--keep-fraction", 0.5)
    assert error is None and "the better 50% of each class" in said
    assert "hours: not measured; --measure" in said
    small = ["--pretrained", "none", "--batch-size", 2, "--crop", 64]
    output, error = run(filter, *words, *small, "--measure", "--json")
    assert error is None, output
    plan, timed = json.loads(output), json.loads(output)["measured"]
    seconds = 60 * timed["step_seconds"] + PAIRS * timed["judge_seconds"]
    assert plan["hours"] == pytest.approx(seconds / 3600) and plan["size"]["parameters"] > 1e6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["affinity", "match"])
def test_a_dry_run_of_refine_says_what_would_be_done(data, tmp_path, method):
    from dataset_builder.commands.refine import refine

    words = ["--data", data, "--out", tmp_path / "refined", "--method", method, "--dry-run"]
    words += ["--epochs", 2, "--crop", 64, "--batch-size", 4] if method == "affinity" else []
    said, error = run(refine, *words)
    assert error is None, said
    assert f"{PAIRS} pairs (train {PAIRS}), refined by {method}" in said and "hours: not measured" in said
    output, error = run(refine, *words, "--measure", "--json")
    assert error is None, output
    plan, timed = json.loads(output), json.loads(output)["measured"]
    steps = 2 * math.ceil(PAIRS / 4) if method == "affinity" else 0
    assert plan["steps"] == steps and (plan["parameters"] > 0) == (method == "affinity")
    seconds = PAIRS * (timed["label_seconds"] + timed["row_seconds"]) + steps * timed["step_seconds"]
    assert plan["hours"] == pytest.approx(seconds / 3600) and timed["row_seconds"] > 0
    assert (timed["step_seconds"] > 0) == (timed["label_seconds"] > 0) == (method == "affinity")
    assert list(tmp_path.iterdir()) == []


def test_refine_writes_a_new_dataset_with_better_masks(data, tmp_path):
    from dataset_builder.commands.refine import refine

    out = tmp_path / "refined"
    output, error = run(
        refine, "--data", data, "--out", out, "--epochs", 2, "--crop", 64, "--stride", 4, "--json"
    )
    assert error is None, output
    assert json.loads(output.splitlines()[-1])["pairs"] == PAIRS
    before, after = (datasets.load_dataset(str(folder), split="train") for folder in (data, out))
    source = open_source(str(out))
    assert source.class_names == NAMES
    agreement = []
    for seed in range(PAIRS):
        exact = tiny_world.render(seed)[1]
        agreement.append((np.asarray(after[seed]["mask"]) == exact).mean())
        assert np.array_equal(np.asarray(before[seed]["image"]), np.asarray(after[seed]["image"]))
    assert np.mean(agreement) > 0.9
    assert after["method"][0] == "daam+refined" and after["id"] == before["id"]
    card = DatasetCard.load(out / "README.md")
    assert card.data.license == "mit", "as the dataset's that it was made from"
    assert card.text.lstrip().startswith("# refined") and "`daam+refined`" in card.text
    assert (out / "assets" / "samples.png").is_file()


@pytest.mark.parametrize("method", ["none", "crf", "match"])
def test_refine_by_other_methods_gives_regions_their_class_and_trains_nothing(data, tmp_path, method):
    """The masks of `data` have one class for all objects; their maps tell the objects apart."""
    from dataset_builder.commands.refine import refine

    out = tmp_path / "refined"
    output, error = run(refine, "--data", data, "--out", out, "--method", method, "--whole-regions")
    assert error is None, output
    assert not (out / "affinity").exists()
    after = datasets.load_dataset(str(out), split="train")
    several = [seed for seed in range(PAIRS) if len(after[seed]["classes"]) > 1]
    assert several
    for seed in several:
        found, exact = np.asarray(after[seed]["mask"]), tiny_world.render(seed)[1]
        assert (found == exact).mean() > 0.9, seed


def test_refine_moves_outlines_to_edges(data, tmp_path):
    from dataset_builder.commands.refine import refine
    from dataset_builder.refinement.outlines import snapped

    common = ("--data", data, "--method", "none", "--whole-regions")
    for name, options in (("plain", ()), ("snapped", ("--snap", "--uncertain", "decide"))):
        output, error = run(refine, *common, "--out", tmp_path / name, *options)
        assert error is None, output
    before, after = (
        datasets.load_dataset(str(tmp_path / name), split="train") for name in ("plain", "snapped")
    )
    moved = 0
    for plain, found in zip(before, after, strict=True):
        expected = snapped(
            np.asarray(plain["image"].convert("RGB")), torch.from_numpy(np.array(plain["mask"]))
        )
        np.testing.assert_array_equal(np.asarray(found["mask"]), expected.numpy())
        moved += (np.asarray(found["mask"]) != np.asarray(plain["mask"])).sum()
    assert moved


def test_refine_refuses_an_unknown_method(data, tmp_path):
    from dataset_builder.commands.refine import refine

    _, error = run(refine, "--data", data, "--out", tmp_path / "refined", "--method", "magic")
    assert isinstance(error, ValueError) and "magic" in str(error) and "affinity" in str(error)
    assert not list(tmp_path.iterdir())


def test_refine_says_what_is_missing(data, tmp_path):
    from dataset_builder.commands.refine import refine

    plain = tmp_path / "plain"
    (plain / "data").mkdir(parents=True)
    tiny_world.dataset(2).to_parquet(plain / "data" / "train-00000-of-00001.parquet")
    _, error = run(refine, "--data", plain, "--out", tmp_path / "out")
    assert isinstance(error, ValueError) and "maps: true" in str(error)
    (tmp_path / "empty").mkdir()
    _, error = run(refine, "--data", tmp_path / "empty", "--out", tmp_path / "out")
    assert isinstance(error, FileNotFoundError) and "no Parquet files" in str(error)
    _, error = run(refine, "--data", data, "--out", plain)
    assert isinstance(error, FileExistsError) and "choose another folder" in str(error)


def test_filter_writes_what_is_left_its_quality_and_a_table(data, tmp_path):
    from dataset_builder.commands.filter import filter

    out = tmp_path / "filtered"
    output, error = run(
        filter, "--data", data, "--out", out, "--model", "smp:unet:tu-resnet10t", "--pretrained", "none",
        "--folds", 2, "--steps", 2, "--batch-size", 2, "--crop", 32, "--scale", 0.5, "--keep-fraction", 0.5,
        "--json",
    )  # fmt: skip
    assert error is None, output
    result = json.loads(output.splitlines()[-1])
    table = list(csv.DictReader((out / "filter.csv").open()))
    kept = [row["id"] for row in table if row["kept"] == "yes"]
    after = datasets.load_dataset(str(out), split="train")
    assert 0 < result["kept"] == len(kept) and result["kept"] + result["dropped"] == PAIRS == len(table)
    assert list(after["id"]) == kept
    qualities = {row["id"]: float(row["quality"]) for row in table}
    assert after["quality"] == pytest.approx([qualities[own] for own in kept], abs=1e-4)
    assert not (out / "segmenters").exists()
    card = DatasetCard.load(out / "README.md")
    assert card.text.lstrip().startswith("# filtered") and f"{len(kept)} generated images" in card.text
    assert len(datasets.load_dataset(str(data), split="train")) == PAIRS


def test_filter_trains_judges_by_a_recipe_and_what_is_typed(data, tmp_path, monkeypatch):
    from dataset_builder.commands.filter import filter
    from train_segmenter.training.loop import trained_model

    recipe = tmp_path / "judges.yaml"
    recipe.write_text(
        "model: smp:unet:tu-resnet10t\n"
        "model_options: {encoder_depth: 4, decoder_channels: [32, 16, 16, 8]}\n"
        "training: {steps: 9, batch_size: 2, loss: ce+dice, augmentation: {crop: 64, scale: [0.8, 1.2]}}\n"
    )
    judges = []

    def recorded(new_model, source, options, folder, **arguments):
        torch.rand(1)  # whatever was drawn before, the weights follow from the seed
        judges.append((options, new_model()))
        return trained_model(new_model, source, options, folder, **arguments)

    monkeypatch.setattr("dataset_builder.noise.segmenter.trained_model", recorded)
    for name in ("first", "second"):
        _, error = run(
            filter, "--data", data, "--out", tmp_path / name, "--recipe", recipe, "--pretrained", "none",
            "--folds", 2, "--steps", 2, "--scale", 0.5, "--seed", 3, "--keep-fraction", 1,
        )  # fmt: skip
        assert error is None, error
    options, model = judges[0]
    assert [own.seed for own, _ in judges] == 4 * [3, 4]  # each is asked for to be trained, and to judge
    assert (options.steps, options.batch_size, options.loss) == (2, 2, "ce+dice")
    assert options.augmentation.crop == 32 and options.augmentation.scale == (0.4, 0.6)
    assert len(model.network.decoder.blocks) == 4
    assert (tmp_path / "first/filter.csv").read_bytes() == (tmp_path / "second/filter.csv").read_bytes()


def test_filter_hears_a_second_labeller_a_question_and_hashes(data, tmp_path):
    from dataset_builder.commands.filter import filter
    from diffusers_attnmask import bundled_oracle

    save_llava(tmp_path / "llava")
    output, error = run(
        filter, "--data", data, "--out", tmp_path / "out", "--model", "smp:unet:tu-resnet10t",
        "--pretrained", "none", "--folds", 2, "--steps", 1, "--batch-size", 2, "--crop", 32, "--scale", 0.5,
        "--threshold", 0, "--second", bundled_oracle(), "--least-agreement", 0.5, "--duplicates", 0,
        "--ask", tmp_path / "llava",
    )  # fmt: skip
    assert error is None, output
    table = list(csv.DictReader((tmp_path / "out/filter.csv").open()))
    for row in table:
        exact = tiny_world.render(int(row["id"]))[1]
        several = len(np.unique(exact)) > 2  # whose masks have one class for all objects
        assert (row["kept"] == "no") == several == ("second labeller" in row["reason"]), row
        assert row["duplicate_of"] == "" and "=0." in row["answers"]


def test_filter_hears_a_sam(data, tmp_path):
    """Random, so that it agrees with nobody; of one that is exact, see test_sam_labeller."""
    from dataset_builder.commands.filter import filter

    sam2(tmp_path / "sam")
    asked = (
        "--data", data, "--out", tmp_path / "out", "--model", "smp:unet:tu-resnet10t", "--pretrained",
        "none", "--folds", 2, "--steps", 1, "--batch-size", 2, "--crop", 32, "--threshold", 0,
        "--second", tmp_path / "sam",
    )  # fmt: skip
    output, error = run(filter, *asked, "--dry-run")
    assert error is None and f"labelled a second time by {tmp_path / 'sam'}" in output
    output, error = run(filter, *asked)
    assert error is None, output
    table = list(csv.DictReader((tmp_path / "out/filter.csv").open()))
    told = [dict(own.rsplit("=", 1) for own in row["agreement"].split(" ")) for row in table]
    assert [set(own) for own in told] == [
        {own.partition("=")[0] for own in row["coverage"].split(" ")} for row in table
    ]
    scores = sorted(min(map(float, own.values())) for own in told)
    bound = (scores[2] + scores[3]) / 2
    assert scores[2] < bound < scores[3], scores
    _, error = run(filter, *map(str, asked[:3]), tmp_path / "fewer", *asked[4:], "--least-agreement", bound)
    assert error is None, error
    table = list(csv.DictReader((tmp_path / "fewer/filter.csv").open()))
    assert ["second labeller's IoU" in row["reason"] for row in table] == [
        min(map(float, own.values())) < bound for own in told
    ]


def test_filter_refuses_what_makes_no_sense(data, tmp_path):
    from dataset_builder.commands.filter import filter

    _, error = run(filter, "--data", data, "--out", tmp_path / "out", "--least-clip", 0.2)
    assert isinstance(error, ValueError) and "--clip" in str(error)
    _, error = run(filter, "--data", data, "--out", tmp_path / "out", "--class-threshold", "cat")
    assert isinstance(error, ValueError) and "name=0.6" in str(error)
    _, error = run(filter, "--data", data, "--out", tmp_path / "out", "--scale", 0)
    assert isinstance(error, ValueError) and "--scale must be at least 0.015625, not 0.0" in str(error)


def test_id_tables_follow_the_dataset_with_and_without_a_background_name():
    with_background, without = ["background", "dog", "cat"], ["road", "car"]
    for names, own, expected in ((with_background, [2, 1], [0, 2, 1]), (without, [1, 0], [255, 1, 0])):
        table = id_table(names, own)
        assert table[:3].tolist() == expected and table[255] == 255


def folder_bytes(folder):
    """All files but the card, which has the name of its folder."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != "README.md")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_refining_from_python_is_the_command(data, tmp_path):
    from dataset_builder.commands.refine import refine
    from dataset_builder.refinement.affinity.augment import ViewOptions
    from dataset_builder.refinement.affinity.network import AffinityNetOptions
    from dataset_builder.refinement.affinity.training import AffinityTraining
    from dataset_builder.refinement.run import RefineRun, refine_dataset

    asked = RefineRun(
        net=AffinityNetOptions(stride=4),
        training=AffinityTraining(epochs=1, view=ViewOptions(crop=64), seed=7),
        snap=True,
    )
    assert refine_dataset(data, tmp_path / "python", asked, progress=False) == PAIRS
    _, error = run(
        refine, "--data", data, "--out", tmp_path / "typed", "--epochs", 1, "--crop", 64, "--stride", 4,
        "--seed", 7, "--snap", "--no-pretrained",
    )  # fmt: skip
    assert error is None, error
    assert folder_bytes(tmp_path / "python") == folder_bytes(tmp_path / "typed")
    with pytest.raises(ValueError, match="decide needs a method that decides"):
        RefineRun(method="none", uncertain="decide")


def test_filtering_from_python_is_the_command(data, tmp_path):
    from dataset_builder.commands.filter import filter
    from dataset_builder.noise.prune import PruneOptions
    from dataset_builder.noise.run import FilterRun, filter_dataset

    asked = FilterRun(
        model="smp:unet:tu-resnet10t",
        pretrained="none",
        folds=2,
        changes={"steps": 2, "batch_size": 2},
        crop=32,
        prune=PruneOptions(keep_fraction=0.5),
    )
    found = filter_dataset(data, tmp_path / "python", asked, progress=False)
    assert found.kept and found.kept + found.dropped == PAIRS
    _, error = run(
        filter, "--data", data, "--out", tmp_path / "typed", "--model", "smp:unet:tu-resnet10t",
        "--pretrained", "none", "--folds", 2, "--steps", 2, "--batch-size", 2, "--crop", 32,
        "--keep-fraction", 0.5,
    )  # fmt: skip
    assert error is None, error
    assert folder_bytes(tmp_path / "python") == folder_bytes(tmp_path / "typed")
