"""The examples in docstrings do what they show, and the pages name files that are there."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from tests.pages.blocks import PAGES

ROOT = Path(__file__).parents[1]
PACKAGES = ("diffusers_attnmask", "dataset_builder", "train_segmenter", "tiny_world", "benchmarks")
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_folders_that_a_page_names_are_there(page):
    """Paths from the repository's root, in backquotes or links; `*` and `<name>` stand for any."""
    named = re.findall(r"[`(]([\w./*<>-]+/[\w./*<>-]*)[`)]", page.read_text("utf-8"))
    ours = [re.sub("<[^>]*>", "*", path) for path in named if (ROOT / path.split("/")[0]).is_dir()]
    assert [path for path in ours if not any(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_give_what_they_show(module, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(importlib.import_module(module)).failed == 0
