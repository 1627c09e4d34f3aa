"""The examples in docstrings and on the documents' pages do what they show."""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import diffusers_attnmask
from diffusers_attnmask import DiffuMaskPipeline
from tests.small_models import picture, sd15

ROOT = Path(__file__).parents[1]
PACKAGES = ("diffusers_attnmask", "dataset_builder", "train_segmenter", "tiny_world", "benchmarks")
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COSTLY = ("bundled_model()", "optimize_tokens(")  # 50 steps of a trained network, 200 steps of learning
SNIPPETS = [
    pytest.param(
        code,
        id=f"{page.name}-{place}",
        marks=[pytest.mark.slow] if any(name in code for name in COSTLY) else [],
    )
    for page in PAGES
    for place, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S))
]
# What a page's reader has and a test has not: a checkpoint, a folder that was built or trained.
ELSEWHERE = ("stable-diffusion-v1-5", '"RUN"', '"data/', '"birds-kept"')


@pytest.fixture
def of_the_reader():
    """What the pages take for given, of the smallest size."""
    maps = torch.rand(2, 128, 128, generator=torch.Generator().manual_seed(0))
    return {
        "pipe": DiffuMaskPipeline.from_pipe(sd15()),
        "repository": str(diffusers_attnmask.bundled_model()),
        "image": picture(),
        "mask": np.eye(128, dtype=np.uint8),
        "probs": maps.softmax(0),
        "candidates": maps.softmax(0)[None],
        "features": maps[:, :16, :16],
        "maps": maps[:, :16, :16],
    }


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


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippets_of_the_pages_run(code, of_the_reader, tmp_path, monkeypatch):
    runnable = compile(code, "snippet", "exec")
    if not any(name in code for name in ELSEWHERE):
        monkeypatch.chdir(tmp_path)
        exec(runnable, of_the_reader)
