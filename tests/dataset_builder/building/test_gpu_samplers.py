"""A build that draws on several GPUs: a process for each, the bytes of one, and the errors of the user."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building import engines
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import shard_paths
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.visible_gpus import VARIABLE
from dataset_builder.recipe import Recipe

GPUS = EngineOptions(gpus=(0, 1))


@dataclass(frozen=True)
class Recorded(PaintedSampler):
    """Notes which GPU its process sees, for every batch."""

    notes: Path = Path()
    seconds: float = 0.05  # so that no process draws everything before the other has begun

    def draw(self, items, seeds):
        with (self.notes / os.environ.get(VARIABLE, "none")).open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        return super().draw(items, seeds)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(engines, "visible_gpus", lambda numbers: tuple(f"GPU-{own}" for own in numbers))


def built(recipe, folder, engine, **faults):
    (folder / "notes").mkdir(parents=True)
    sampler = Recorded(notes=folder / "notes", blanked=0.1, **faults)
    manifest = build(recipe, folder / "out", engine, make_sampler=sampler, show_progress=False)
    return {path.name: path.read_bytes() for path in shard_paths(folder / "out")}, manifest


def test_every_gpu_has_a_process_of_its_own_and_the_bytes_are_those_of_one(recipe, tmp_path, two_gpus):
    shards, manifest = built(recipe, tmp_path / "two", GPUS)
    drawn = {file.name: set(file.read_text().split()) for file in (tmp_path / "two/notes").iterdir()}
    assert set(drawn) == {"GPU-0", "GPU-1"}
    assert Counter(len(own) for own in drawn.values()) == {1: 2} and str(os.getpid()) not in drawn["GPU-0"]
    assert shards == built(recipe, tmp_path / "one", EngineOptions(workers=0))[0]
    assert manifest.incidents == {}


def test_a_sampling_process_that_dies_is_replaced(recipe, tmp_path, two_gpus):
    poison = tmp_path / "poison"
    poison.touch()
    shards, manifest = built(recipe, tmp_path / "two", GPUS, dies=poison)
    assert manifest.incidents["worker died"] >= 1
    assert shards == built(recipe, tmp_path / "one", EngineOptions(workers=0))[0]


def no_model(recipe: Recipe):
    raise FileNotFoundError("there is no such model")


def test_a_model_that_is_no_good_is_told_before_anything_is_written(recipe, tmp_path, two_gpus):
    with pytest.raises(FileNotFoundError, match="no such model"):
        build(recipe, tmp_path / "out", GPUS, make_sampler=no_model, show_progress=False)
    assert not (tmp_path / "out").exists()
