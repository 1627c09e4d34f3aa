"""A small built dataset, and a Hub to push it to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.run import build
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.recipe import Recipe, SamplingOptions
from tests.dataset_builder.hub.hub_server import HubServer

RECIPE = Recipe(
    "tiny-world", pairs=12, shard_size=4, sampling=SamplingOptions(batch_size=4), license="cc0-1.0"
)


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "shapes"
    sampler = PaintedSampler(side=32, empty=0.3)
    build(RECIPE, folder, EngineOptions(workers=0), make_sampler=sampler, show_progress=False)
    write_card(folder)
    return folder


@pytest.fixture
def folder(built, tmp_path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "shapes"))


@pytest.fixture
def hub(monkeypatch):
    server = HubServer()
    monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # Xet's own servers are not to be had offline
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    yield server
    server.close()
