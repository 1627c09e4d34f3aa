"""Every stage writes the same bytes by one process, by several, and by the actors of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.stages.fault_stages import TRAINING, painted, small_refinement
from benchmarks.stages.forked_runs import contents
from dataset_builder.augmentation.run import augment_dataset
from dataset_builder.engine.cluster import LOOPBACK_ONLY
from dataset_builder.engine.options import EngineOptions
from dataset_builder.export.convert import ExportOptions, convert
from dataset_builder.noise.options import FilterRun
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.run import filter_dataset
from dataset_builder.refinement.run import refine_dataset
from dataset_builder.report.run import report_dataset
from diffusers_attnmask.ground.options import read_options
from train_segmenter.training.options import TrainingRecipe

JUDGES = FilterRun(
    recipe=read_options(TrainingRecipe, TRAINING, "judges"),
    pretrained="none",
    folds=2,
    prune=PruneOptions({"default": 0.0}),
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STAGES: dict[str, Callable[[Path, Path, EngineOptions], object]] = {
    "augment": lambda data, out, engine: augment_dataset(data, out, None, engine, progress=False),
    "export": lambda data, out, engine: convert(str(data), out, ExportOptions("coco"), engine),
    "import": lambda data, out, engine: convert(str(data), out, ExportOptions("dataset"), engine),
    "refine": lambda data, out, engine: refine_dataset(data, out, small_refinement(), engine, progress=False),
    "filter": lambda data, out, engine: filter_dataset(data, out, JUDGES, engine, progress=False),
    "report": lambda data, out, engine: report_dataset(str(data), out / "report.html", None, engine),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read") / "shapes"
    painted(folder)
    return folder


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """What each stage makes in one process, made once."""
    found: dict[str, object] = {}

    def of(stage: str) -> object:
        if stage not in found:
            found[stage] = made(stage, data, tmp_path_factory.mktemp(stage), EngineOptions())
        return found[stage]

    return of


def made(stage: str, data: Path, home: Path, engine: EngineOptions) -> object:
    """The digests of all files; the folder has the same name every time, since cards tell it."""
    STAGES[stage](data, home / "made", engine)
    return contents(home / "made")


@pytest.mark.parametrize("stage", STAGES)
def test_processes_change_no_byte(stage, data, alone, tmp_path):
    assert made(stage, data, tmp_path, EngineOptions(workers=2)) == alone(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_actors_change_no_byte(stage, data, alone, tmp_path, cluster):
    assert made(stage, data, tmp_path, EngineOptions("ray", workers=2)) == alone(stage)


@pytest.fixture(scope="module")
def cluster():
    os.environ.setdefault(*LOOPBACK_ONLY)
    os.environ.update(RAY_raylet_start_wait_time_s="300", RAY_agent_register_timeout_ms="300000")
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
