"""`attnmask push` and `attnmask build --push-to`, with the token of the environment."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building import run
from dataset_builder.commands.build import build
from dataset_builder.commands.push import push
from dataset_builder.dataset_folder import read_rows
from tests.dataset_builder.hub.hub_server import TOKEN
from tests.train_segmenter.shapes import NAMES, small_model
from train_segmenter.card import Evaluation, write_card
from train_segmenter.evaluation import Report

REPO = "someone/shapes"


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def test_push_publishes_the_folder_under_its_new_name(hub, folder, capsys):
    push(REPO, folder, license="mit")
    assert f"pushed to {hub.endpoint}/datasets/{REPO}" in capsys.readouterr().out
    card = hub.files(REPO)["README.md"].decode()
    assert f'load_dataset("{REPO}", split="train")' in card
    assert "license: mit" in card


def test_push_publishes_a_part_of_a_dataset_with_a_card_of_its_own(hub, folder, tmp_path):
    before = (folder / "README.md").read_bytes()
    push("someone/few", f"{folder}@train[:3]+train[-1:]")
    files = hub.files("someone/few")
    card = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert (card["license"], card["dataset_info"]["splits"][0]["num_examples"]) == ("cc0-1.0", 4)
    (tmp_path / "few.parquet").write_bytes(files["data/train-00000-of-00001.parquet"])
    found = pq.read_table(tmp_path / "few.parquet")["id"].to_pylist()
    names = [row["id"] for row in read_rows(folder, ("id",))]
    assert found == [*names[:3], names[-1]]
    assert (folder / "README.md").read_bytes() == before


@pytest.fixture
def segmenter(tmp_path):
    """A trained segmenter's folder: model, evaluation, card, and what a training leaves beside them."""
    folder = tmp_path / "segmenter"
    small_model(NAMES).save_pretrained(folder)
    (folder / "train.json").write_text(json.dumps({"pairs": 12, "steps": 3}))
    Evaluation(Report(NAMES, np.diag([8, 1, 1, 0]), 3), "VOC:somewhere@val").write(folder)
    write_card(folder, data="data/shapes")
    for name in ("checkpoints/step-00000003/model.safetensors", "model.onnx", "train.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"of the training")
    return folder


def test_push_publishes_a_segmenter_with_its_card_and_without_its_training(hub, segmenter, capsys):
    push("someone/squares", segmenter, private=True, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"url": f"{hub.endpoint}/someone/squares"}
    assert hub.repos["someone/squares"]["private"]
    names = ("config.json", "evaluation.json", "id2label.json", "segmenter.json", "train.json")
    files = hub.files("someone/squares")
    assert set(files) == {"README.md", "model.safetensors", *names}
    assert files["model.safetensors"] == (segmenter / "model.safetensors").read_bytes()
    card = files["README.md"].decode()
    assert 'load("someone/squares")' in card
    assert "12 pairs of data/shapes" in card, "what it was trained on is still told"
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "apache-2.0"
    assert head["model-index"][0]["name"] == "squares"


def test_a_lost_connection_publishes_nothing_of_a_segmenter(hub, segmenter):
    hub.drop = ["POST /api/models/someone/squares/commit"]
    with pytest.raises(OSError, match="nothing was published"):
        push("someone/squares", segmenter)
    assert hub.files("someone/squares") == {}
    push("someone/squares", segmenter, license="mit")
    assert b"license: mit" in hub.files("someone/squares")["README.md"]


def test_push_publishes_a_saved_pipeline_and_nothing_beside_it(hub, tmp_path):
    content = {
        "model_index.json": b'{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]}',
        "README.md": b"---\nlicense: mit\npipeline_tag: image-segmentation\n---\n# mine\n",
        "attnmask_config.json": b'{"method": "daam"}',
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": b"weights",
    }
    beside = {"checkpoints/step-1/model.safetensors": b"old", "unet/notes.md": b"", "train.jsonl": b""}
    for name, own in (content | beside).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(own)
    push("someone/painter", tmp_path)
    assert hub.files("someone/painter") == content
    with pytest.raises(ValueError, match=r"--license mit has no card to stand in: write it into .*README"):
        push("someone/painter", tmp_path, license="mit")


def test_a_folder_that_is_not_there_is_named(hub, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*/nowhere to push"):
        push(REPO, tmp_path / "nowhere")
    assert not hub.repos


def test_build_pushes_what_it_builds(hub, tmp_path, monkeypatch, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("vocabulary: tiny-world\nmodel: someone/model\npairs: 6\nshard_size: 3\n")
    monkeypatch.setattr(run, "diffumask_sampler", lambda recipe: PaintedSampler())
    build(str(recipe), out=tmp_path / "data", workers=0, push_to=REPO, private=True)
    assert hub.repos[REPO]["private"]
    assert {"README.md", "id2label.json", "manifest.json"} < set(hub.files(REPO))
    assert sum(name.endswith(".parquet") for name in hub.files(REPO)) == 2
    assert f"pushed to {hub.endpoint}/datasets/{REPO}" in capsys.readouterr().out


def test_a_wrong_token_is_named_before_anything_is_built(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    with pytest.raises(OSError, match="does not accept the token"):
        build("tiny", out=tmp_path / "data", push_to=REPO)
    assert not (tmp_path / "data").exists()
