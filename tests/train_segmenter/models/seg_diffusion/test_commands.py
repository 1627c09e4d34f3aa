"""Seg-diffusion from the command line: trained, judged on other words, and asked for any."""

import json

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

from diffusers_attnmask import SegDiffusionPipeline
from tests.cards import check_card
from tests.small_models import sd15
from tests.train_segmenter.shapes import write_folder
from tests.train_segmenter.typed_commands import attnmask, succeed

TRAINING = ["--steps", 2, "--batch-size", 2, "--crop", 32, "--evaluate-every", 2, "--device", "cpu", "--json"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data"), count=2, size=64)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    sd15().save_pretrained(root / "start")
    words = [
        "--data",
        f"folder:{data}",
        "--model",
        f"seg-diffusion:{root / 'start'}",
        "--out",
        root / "model",
    ]
    options = ["--model-option", "noise=pyramid", "--model-option", "denoising_steps=1"]
    result = succeed("train", *words, *options, *TRAINING, "--validation", f"folder:{data}")
    return root / "model", json.loads(result.stdout.splitlines()[-1])


def test_train_leaves_a_pipeline_with_its_card_and_pictures(trained):
    out, result = trained
    assert 0 <= result["mean_iou"] <= 1
    pipe = SegDiffusionPipeline.from_pretrained(out)
    assert pipe.config.noise == "pyramid" and pipe.config.processing_res == 32
    assert pipe.trained_classes == ["red", "blue"]
    assert (out / "validation/step-00000002.png").is_file()
    card = ModelCard.load(out / "README.md")
    assert check_card((out / "README.md").read_text(), out) == 2
    assert card.data.library_name == "diffusers" and "classes=['red', 'blue']" in card.text
    assert "| loss | squared error of the epsilon |" in card.text and "custom_pipeline=file" in card.text
    assert str(out.parent) not in card.text.replace(str(out), "")


def test_eval_asks_for_the_classes_of_the_data(trained, data, tmp_path):
    out, _ = trained
    other = write_folder(tmp_path / "other", count=1, size=64, names=("background", "star", "moon"))
    words = [
        "--model",
        out,
        "--data",
        f"folder:{other}",
        "--denoising-steps",
        1,
        "--ensemble-size",
        2,
        "--device",
        "cpu",
    ]
    result = succeed("eval", *words, "--open-vocabulary", "--unseen", "moon", "--json")
    found = json.loads(result.stdout.splitlines()[-1])
    assert set(found["iou"]) == {"background", "star", "moon"}
    assert set(found["open_vocabulary"]) == {"seen", "unseen", "harmonic"}


def test_segment_writes_masks_overlays_and_doubts_for_any_words(trained, data, tmp_path):
    out, _ = trained
    sampling = [
        "--denoising-steps",
        1,
        "--ensemble-size",
        2,
        "--dtype",
        "bf16",
        "--seed",
        3,
        "--device",
        "cpu",
    ]
    words = [
        "--model",
        f"seg-diffusion:{out}",
        "--out",
        tmp_path,
        "-c",
        "horse",
        "-c",
        "red table",
        *sampling,
    ]
    (row,) = json.loads(succeed("segment", data / "images/0.png", *words, "--json").stdout.splitlines()[-1])
    with Image.open(row["mask"]) as mask, Image.open(row["uncertainty"]) as doubts:
        assert mask.mode == "P" and mask.size == (64, 64)
        assert doubts.height == 64 and doubts.width > 2 * 64  # the picture, its doubts, and their scale
        assert set(np.unique(mask)) <= {0, 1, 2}
    assert Image.open(row["overlay"]).height > 64


def test_segment_asks_for_the_classes_of_training_by_default(trained, data, tmp_path):
    out, _ = trained
    succeed(
        "segment", data / "images/0.png", "--model", out, "--out", tmp_path, "--denoising-steps", 1,
        "--ensemble-size", 1, "--device", "cpu",
    )  # fmt: skip
    pipe = SegDiffusionPipeline.from_pretrained(out)
    image = Image.open(data / "images/0.png")
    expected = pipe(
        image, ["red", "blue"], denoising_steps=1, ensemble_size=1, generator=torch.Generator().manual_seed(0)
    )
    assert np.array_equal(np.asarray(Image.open(tmp_path / "0_mask.png")), np.asarray(expected.masks[0]))
    assert not (tmp_path / "0_uncertainty.png").exists()


def test_mistakes_are_one_clear_line(trained, data, tmp_path):
    out, _ = trained
    image, train = data / "images/0.png", ["train", "--data", f"folder:{data}", "--out", tmp_path / "m"]
    for words, message in [
        (["segment", image, "--model", "seg-diffusion"], "a kind of model, not a trained one"),
        (["segment", image, "--model", out, "--window", 8], "no windows"),
        (["segment", image, "--model", out, "--dtype", "int8"], "'fp32', 'fp16' or 'bf16'"),
        ([*train, "--model", "seg-diffusion", "--loss", "dice"], "its own loss"),
        ([*train, "--model", "seg-diffusion", "--export", "pt2"], "no export"),
        ([*train, "--model", "seg-diffusion", "--model-option", "encoding"], "name=value, not 'encoding'"),
        ([*train, "--model", "seg-diffusion", "--pretrained", "none"], "begins from the weights"),
        ([*train, "--model", "seg-diffusion:nowhere"], "no model at 'nowhere'"),
        ([*train, "--model", out, "--model-option", "absent=0"], "keeps the options that it has"),
    ]:
        result = attnmask(*words)
        assert isinstance(result.exception, (ValueError, OSError)) and message in str(result.exception)
