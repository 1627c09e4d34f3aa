"""What a derived dataset was made from is known by its content, wherever it lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import datasets
import pytest

from benchmarks.stages.fault_stages import painted
from dataset_builder.origin import identity_of

NAME = "someone/shapes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("origin") / "shapes"
    painted(folder)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Of datasets of the Hub that were read before; there is no way to the Hub itself."""
    for library in ("datasets.config", "huggingface_hub.constants"):
        monkeypatch.setattr(f"{library}.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def read_before(folder: Path, commit: str, cache: Path) -> None:
    """As `datasets` keeps what it read of a commit."""
    builder = datasets.load_dataset_builder(str(folder), cache_dir=str(cache.parent / "made"))
    builder.download_and_prepare()
    shutil.copytree(builder.cache_dir, cache / NAME.replace("/", "___") / "default" / "0.0.0" / commit)


def test_a_dataset_of_the_hub_is_known_by_its_commit(folder, cache):
    read_before(folder, "a" * 40, cache)
    before = identity_of("refine", NAME, {})
    assert identity_of("refine", f"{NAME}@train", {}) != before == identity_of("refine", NAME, {})
    read_before(folder, "b" * 40, cache)
    assert identity_of("refine", NAME, {}) != before
