"""The three commands, as a user types them."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from diffusers_attnmask.ground.own_folder import MARK
from tests.train_segmenter.shapes import SMALL_MODEL, SMALL_SIZES, draw, write_folder
from tests.train_segmenter.typed_commands import attnmask, succeed
from train_segmenter.mean_iou import mean_iou


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data"), count=8)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A small model and crops of the images' size."""
    path = tmp_path_factory.mktemp("recipes") / "small.yaml"
    training = {"steps": 9, "batch_size": 2, "loss": "dice", "augmentation": {"crop": 32}}
    path.write_text(json.dumps({"model": SMALL_MODEL, "model_options": SMALL_SIZES, "training": training}))
    return path


@pytest.fixture(scope="module")
def trained(data, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "model"
    words = ["--data", f"folder:{data}", "--recipe", recipe, "--pretrained", "none", "--out", out]
    schedule = [
        "--steps",
        40,
        "--batch-size",
        4,
        "--learning-rate",
        0.01,
        "--ema",
        0.5,
        "--evaluate-every",
        40,
    ]
    result = succeed(
        "train", *words, *schedule, "--validation", f"folder:{data}", "--device", "cpu", "--json"
    )
    return out, json.loads(result.stdout)


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(data, recipe, trained, tmp_path):
    words = ["--data", f"folder:{data}", "--recipe", recipe, "--steps", 40, "--batch-size", 4, "--dry-run"]
    plan = json.loads(succeed("train", *words, "--out", tmp_path / "new", "--json").stdout)
    assert plan["pairs"] == 8 and plan["epochs"] == 20 and plan["classes"] == ["background", "red", "blue"]
    assert plan["training"]["steps"] == 40 and plan["training"]["augmentation"]["crop"] == 32
    said = succeed("train", *words, "--out", tmp_path / "new").stdout
    assert "on 8 pairs of 3 classes" in said and "a pair is seen 20.0 times" in said
    assert "hours: not measured; --measure" in said
    assert list(tmp_path.iterdir()) == []
    refused = attnmask("train", *words, "--out", trained[0])
    assert isinstance(refused.exception, FileExistsError) and "--resume" in str(refused.exception)


def test_a_measured_trial_tells_memory_disk_and_hours(data, recipe, trained, tmp_path):
    words = ["--data", f"folder:{data}", "--recipe", recipe, "--steps", 7200, "--device", "cpu"]
    words += ["--out", tmp_path / "new", "--dry-run"]
    counted = json.loads(succeed("train", *words, "--pretrained", "none", "--json").stdout)
    plan = json.loads(succeed("train", *words, "--pretrained", "none", "--json", "--measure").stdout)
    assert list(tmp_path.iterdir()) == []
    size, timed = plan["size"], plan["measured"]
    assert size == counted["size"] and counted["hours"] is None
    assert plan["hours"] == pytest.approx(2 * timed["step_seconds"]) and timed["device"] == "cpu"
    folder = trained[0]
    weights = load_file(folder / "model.safetensors").values()
    assert 0 <= sum(own.numel() for own in weights) - size["parameters"] < 0.1 * size["parameters"], "buffers"
    on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert 0.3 < on_disk / size["disk"] < 1, "one checkpoint of two, and layers that learn nothing"


def test_a_training_of_two_steps_is_measured_too(data, recipe, tmp_path):
    words = ["--data", f"folder:{data}", "--recipe", recipe, "--steps", 2, "--device", "cpu", "--dry-run"]
    words += ["--out", tmp_path / "new", "--pretrained", "none", "--json", "--measure"]
    plan = json.loads(succeed("train", *words).stdout)
    assert plan["hours"] == pytest.approx(2 * plan["measured"]["step_seconds"] / 3600)


def test_measuring_is_of_a_trial(data, recipe, tmp_path):
    refused = attnmask("train", "--data", f"folder:{data}", "--out", tmp_path / "new", "--measure")
    assert "--measure is of --dry-run" in str(refused.exception)


def test_train_leaves_a_model_its_curve_and_its_card(trained):
    out, result = trained
    assert result["model"] == str(out) and result["steps"] == 40 and result["mean_iou"] > 0.5
    assert {"config.json", "model.safetensors", "segmenter.json", "train.jsonl", "README.md"} <= {
        path.name for path in out.iterdir()
    }
    card = (out / "README.md").read_text()
    assert "model-index" in card and "Mean IoU" in card and "| 1 | red |" in card


def test_eval_prints_json_that_agrees_with_its_own_masks(trained, data, tmp_path):
    out, _ = trained
    result = json.loads(
        succeed("eval", "--model", out, "--data", f"folder:{data}", "--json", "--device", "cpu").stdout
    )
    succeed("segment", data / "images", "--model", out, "--out", tmp_path, "--device", "cpu")
    predictions = [np.asarray(Image.open(tmp_path / f"{index}_mask.png")) for index in range(8)]
    references = [draw(index)[1] for index in range(8)]
    assert result["mean_iou"] == pytest.approx(mean_iou(predictions, references, 3)["mean_iou"], abs=1e-6)
    assert set(result["iou"]) == {"background", "red", "blue"}


def test_eval_writes_chart_pictures_and_a_table(trained, data, tmp_path):
    out, _ = trained
    words = [
        "--model",
        out,
        "--data",
        f"folder:{data}",
        "--out",
        tmp_path,
        "--worst",
        2,
        "--boundary",
        "--device",
        "cpu",
    ]
    result = succeed("eval", *words, "--open-vocabulary", "--unseen", "blue", "--window", 24, "--flip")
    assert "boundary IoU" in result.output and "open vocabulary: seen" in result.output
    assert len(list((tmp_path / "worst").iterdir())) == 2 and (tmp_path / "iou.png").exists()
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(content["open_vocabulary"]) == {"seen", "unseen", "harmonic"}


def test_segment_takes_files_folders_and_patterns(trained, data, tmp_path):
    out, _ = trained
    pattern = str(data / "images" / "[01].png")
    result = succeed(
        "segment",
        data / "images/5.png",
        pattern,
        "--model",
        out,
        "--out",
        tmp_path,
        "--device",
        "cpu",
        "--json",
    )
    rows = json.loads(result.stdout)
    assert [row["mask"].rpartition("/")[2] for row in rows] == ["5_mask.png", "0_mask.png", "1_mask.png"]
    with Image.open(rows[0]["mask"]) as mask, Image.open(rows[0]["overlay"]) as overlay:
        assert mask.mode == "P" and mask.size == (32, 32) and overlay.mode == "RGB"
    assert [path.name for path in tmp_path.glob(".*")] == [MARK], "no temporary file stays"


def test_what_a_model_does_not_take_is_named(trained, data, tmp_path):
    out, _ = trained
    train = ["train", "--data", f"folder:{data}", "--out", tmp_path / "m", "--model"]
    for words, message in [
        (["segment", data / "images", "--model", out, "-c", "dog", "--seed", 3], "--class, --seed"),
        (["eval", "--model", out, "--data", f"folder:{data}", "--ensemble-size", 2], "samples nothing"),
        ([*train, "mask2former:resnet10t", "--loss", "dice"], "learns by its own loss"),
    ]:
        result = attnmask(*words)
        assert isinstance(result.exception, ValueError) and message in str(result.exception)


def test_fine_tuning_a_trained_model_on_a_mixture(trained, data, tmp_path):
    out, _ = trained
    words = [
        "--data",
        f"folder:{data}",
        "--data",
        f"folder:{data}",
        "--weight",
        3,
        "--weight",
        1,
        "--model",
        out,
    ]
    succeed(
        "train",
        *words,
        "--out",
        tmp_path / "tuned",
        "--steps",
        1,
        "--batch-size",
        2,
        "--device",
        "cpu",
        "--export",
        "pt2",
    )
    assert (tmp_path / "tuned/model.pt2").exists()
    summary = json.loads((tmp_path / "tuned/train.json").read_text())
    assert summary["pairs"] == 16 and summary["model"] == SMALL_MODEL


def test_classes_are_grouped_from_the_command_line(data, recipe, tmp_path):
    words = [
        "--data",
        f"folder:{data}",
        "--class",
        "background",
        "--class",
        "square",
        "--group",
        "square=red,blue",
        "--recipe",
        recipe,
    ]
    succeed(
        "train",
        *words,
        "--pretrained",
        "none",
        "--out",
        tmp_path / "m",
        "--steps",
        1,
        "--batch-size",
        2,
        "--device",
        "cpu",
    )
    labels = json.loads((tmp_path / "m/id2label.json").read_text())
    assert labels == {"0": "background", "1": "square"}
    judge = ["eval", "--model", tmp_path / "m", "--data", f"folder:{data}", "--json", "--device", "cpu"]
    refused = attnmask(*judge)
    assert isinstance(refused.exception, ValueError) and "red, blue" in str(refused.exception)
    assert json.loads(succeed(*judge, "--group", "square=red,blue").stdout)["iou"].keys() == {
        "background",
        "square",
    }


def test_self_training_from_the_command_line(data, recipe, tmp_path):
    words = [
        "--data",
        f"folder:{data}",
        "--recipe",
        recipe,
        "--pretrained",
        "none",
        "--steps",
        1,
        "--device",
        "cpu",
    ]
    succeed("train", *words, "--out", tmp_path / "m", "--self-training", "--confidence", 0.3)
    assert len(list((tmp_path / "m/pseudo-labels").glob("*.png"))) == 8


def test_a_recipe_gives_the_settings_and_options_override_it(data, recipe, tmp_path):
    words = ["--data", f"folder:{data}", "--recipe", recipe, "--pretrained", "none", "--device", "cpu"]
    succeed("train", *words, "--out", tmp_path / "m", "--steps", 1)
    summary = json.loads((tmp_path / "m/train.json").read_text())
    assert (summary["model"], summary["steps"], summary["loss"]) == (SMALL_MODEL, 1, "dice")
    assert summary["batch_size"] == 2 and summary["augmentation"]["crop"] == 32


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "--model", "nowhere", "--data", "folder:x"], "no model at 'nowhere'"),
        (["segment", "nothing.png", "--model", "m"], "'nothing.png'"),
        (["eval", "--model", "m", "--data", "x", "--scales", "a,b"], "--scales are numbers"),
        (["train", "--data", "nowhere", "--out", "x"], "no dataset at 'nowhere'"),
    ],
)
def test_mistakes_are_one_clear_line(words, message):
    result = attnmask(*words)
    assert isinstance(result.exception, (ValueError, OSError)) and message in str(result.exception)


def test_faulty_pairs_stop_the_command_before_training(data, tmp_path):
    root = write_folder(tmp_path / "bad", count=2)
    Image.fromarray(np.full((32, 32), 7, np.uint8)).save(root / "masks/1.png")
    result = attnmask("train", "--data", f"folder:{root}", "--out", tmp_path / "m", "--steps", 1)
    assert "1.png: ids [7]" in str(result.exception) and not (tmp_path / "m").exists()
