"""A training whose saved state is damaged is not resumed, and its error names the folder; nothing runs."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace

import pytest
import torch

from diffusers_attnmask.ground.damage import DamagedFile
from tests.mistakes.spoilt import Payload
from tests.train_segmenter.shapes import SMALL_TRAINING, Squares, small_model
from train_segmenter.training.loop import train, trained_model

OPTIONS = replace(SMALL_TRAINING, steps=2, save_every=1)
CHECKPOINT = "checkpoints/step-00000002"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    train(small_model(), Squares(4), OPTIONS, out, cpu=True, progress=False)
    return out


def changed(name, value):
    def change(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), name: value}).encode()

    return change


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def pickled(content: bytes) -> bytes:
    return pickle.dumps(Payload())


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("progress.json", half),
        ("progress.json", lambda content: b"[]"),
        ("progress.json", changed("step", "two")),
        ("progress.json", changed("fingerprint", None)),
        ("progress.json", changed("more", 1)),
        ("model.safetensors", half),
        ("model.safetensors", pickled),
        ("average.safetensors", lambda content: b""),
        ("states.pt", half),
        ("states.pt", pickled),
        ("states.pt", None),
    ],
)
def test_it_is_refused_by_name(trained, tmp_path, monkeypatch, file, change):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "out")
    damaged = tmp_path / "out" / CHECKPOINT / file
    if change is None:
        torch.save({"optimizer": Payload()}, damaged)
    else:
        damaged.write_bytes(change(damaged.read_bytes()))
    with pytest.raises(DamagedFile) as told:
        train(small_model(), Squares(4), OPTIONS, tmp_path / "out", resume=True, cpu=True, progress=False)
    assert str(tmp_path / "out" / CHECKPOINT) in str(told.value) and "\n" not in str(told.value)
    assert sorted(own.name for own in tmp_path.iterdir()) == ["out"]  # no payload has run


@pytest.mark.parametrize("file", ["train.json", "segmenter.json", "model.safetensors"])
def test_a_complete_one_is_not_taken_for_whole(trained, tmp_path, file):
    """As `attnmask filter` and self-training do."""
    shutil.copytree(trained, tmp_path / "out")
    damaged = tmp_path / "out" / file
    damaged.write_bytes(half(damaged.read_bytes()))
    with pytest.raises(DamagedFile, match=file.replace(".", r"\.")):
        trained_model(small_model, Squares(4), OPTIONS, tmp_path / "out", cpu=True, progress=False)
