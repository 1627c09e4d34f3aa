"""A place for each test that runs what stands on a page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.dataset_builder.hub.conftest import hub  # noqa: F401 - a fixture: pushes go to a server of the tests
from tests.dataset_builder.hub.hub_server import TOKEN
from tests.pages.place import furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory) -> Path:
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def place(furnished, tmp_path, monkeypatch) -> Path:
    """The folder in which the test is."""
    own = Path(shutil.copytree(furnished, tmp_path / "place"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.chdir(own)
    return own
