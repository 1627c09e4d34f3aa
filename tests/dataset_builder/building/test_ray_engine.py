"""The Ray engine makes the bytes of the local one, whoever of its workers dies."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.manifest import Manifest
from dataset_builder.building.progress import BuildProgress
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import shard_paths
from dataset_builder.engine.cluster import LOOPBACK_ONLY
from dataset_builder.engine.options import EngineOptions

os.environ.setdefault(*LOOPBACK_ONLY)
os.environ.update(RAY_raylet_start_wait_time_s="300", RAY_agent_register_timeout_ms="300000")  # busy machines
ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RAY = EngineOptions("ray", workers=2)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """One for all tests; a build leaves a cluster that it did not start as it is."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def local(recipe, tmp_path):
    build(
        recipe,
        tmp_path / "local",
        EngineOptions(workers=0),
        make_sampler=PaintedSampler(blanked=0.1),
        show_progress=False,
    )
    return tmp_path / "local"


def contents(folder):
    return {path.name: path.read_bytes() for path in shard_paths(folder)}


def test_the_bytes_are_those_of_the_local_engine(recipe, local, tmp_path):
    manifest = build(
        recipe, tmp_path / "ray", RAY, make_sampler=PaintedSampler(blanked=0.1), show_progress=False
    )
    assert contents(tmp_path / "ray") == contents(local)
    assert (tmp_path / "ray" / "manifest.json").read_bytes() == (local / "manifest.json").read_bytes()
    assert manifest.incidents == {}


def test_a_killed_workers_shards_are_built_again(recipe, local, tmp_path):
    poison = tmp_path / "poison"
    poison.touch()
    sampler = PaintedSampler(blanked=0.1, dies=poison)
    manifest = build(recipe, tmp_path / "ray", RAY, make_sampler=sampler, show_progress=False)
    assert not poison.exists()
    assert manifest.incidents["worker died"] >= 1
    assert contents(tmp_path / "ray") == contents(local)


def test_pairs_count_as_they_are_drawn_once_each_whoever_dies(recipe, tmp_path, monkeypatch):
    counted = []
    monkeypatch.setattr(BuildProgress, "add", lambda self, tally: counted.append(tally.handled))
    monkeypatch.setattr(
        BuildProgress, "shard_done", lambda self, name, tally, file: counted.append(str(name))
    )
    poison = tmp_path / "poison"
    sampler = PaintedSampler(blanked=0.1, seconds=0.05, dies=poison)
    one = replace(recipe, shard_size=recipe.pairs)
    poisoning = threading.Timer(0.6, poison.touch)  # when some pairs are told
    poisoning.start()
    build(one, tmp_path / "ray", RAY, make_sampler=sampler, show_progress=False)
    poisoning.join()
    assert counted[-1] == "train-00000"
    assert counted[:-1] == [1] * recipe.pairs


def test_an_error_of_the_user_arrives_as_itself(recipe, tmp_path):
    def no_model(recipe):
        raise FileNotFoundError("there is no such model")

    with pytest.raises(FileNotFoundError, match="no such model"):
        build(recipe, tmp_path, RAY, make_sampler=no_model, show_progress=False)


def test_a_build_begun_by_one_engine_is_completed_by_the_other(recipe, local, tmp_path):
    shard_paths(local)[1].unlink()
    before = Manifest.read(local).identity
    build(recipe, local, RAY, make_sampler=PaintedSampler(blanked=0.1), show_progress=False)
    assert Manifest.read(local).identity == before
    assert len(shard_paths(local)) == 5


def test_more_workers_than_shards_are_not_started(recipe, tmp_path):
    one = replace(recipe, pairs=3)
    manifest = build(one, tmp_path, RAY, make_sampler=PaintedSampler(), show_progress=False)
    assert manifest.tally.pairs == 3
