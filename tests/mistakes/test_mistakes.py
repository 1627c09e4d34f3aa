"""Every mistake answered: rows of what is typed or called, and what must be said. The rows are in `cases/`.

A row of a command, run in this process from an empty folder:

    - says: a learning rate that is no number     # the name of the row, once in its file
      run: train --data {dataset} --out {out} --learning-rate nan     # or a list of words
      files: {recipe.yaml: "pairs: 2"}            # written first; {tmp} is the folder
      line: [--learning-rate, nan, finite]        # what the one line holds: file, key, value, remedy
      code: 2                                     # 2, a user's mistake (by default); 1, a fault of the world
      trial: true                                 # the same is due with --dry-run

A row of a recipe has `recipe` or `training` instead of `run`: what the file says that `attnmask build` or
`train` is given, as text or, over what a small recipe has, as options. A row of Python has `python`,
statements: a `ValueError`, `TypeError` or `OSError` is due, whose text holds `line`. `{dataset}` and the like
are made by `material.py`; at `{out}` there is nothing.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from diffusers_attnmask import cli
from diffusers_attnmask.cli_errors import raised_on_purpose
from tests.mistakes.material import MATERIAL, SUFFIXES

CASES = Path(__file__).with_name("cases")
BAR = re.compile(r"^\s*$|\d+%\||examples/s\]|it/s\]$")  # of progress, which may stand above the line
RECIPES = {
    "recipe": (
        "build --recipe recipe.yaml --out {out} --workers 0",
        {"vocabulary": "tiny-world", "pairs": 2},
    ),
    "training": ("train --data {dataset} --out {out} --recipe recipe.yaml", {"model": "smp:unet:resnet18"}),
}
KEYS = {*RECIPES, "says", "run", "python", "files", "line", "code", "trial"}


def rows(kind: str) -> list[Any]:
    found = []
    for file in sorted(CASES.glob("*.yaml")):
        for row in yaml.safe_load(file.read_text(encoding="utf-8")):
            assert row.keys() <= KEYS, row
            for kind_of_recipe in RECIPES.keys() & row.keys():
                row |= with_recipe(row, kind_of_recipe)
            if kind in row:
                found.append(pytest.param(row, id=f"{file.stem}: {row['says']}"))
            if kind in row and row.get("trial"):
                trial = {**row, "run": f"{row['run']} --dry-run"}
                found.append(pytest.param(trial, id=f"{file.stem}: {row['says']}, in a dry run"))
    return found


def with_recipe(row: dict[str, Any], kind: str) -> dict[str, Any]:
    """What is run for a row of a recipe, and its file."""
    said, (run, base) = row[kind], RECIPES[kind]
    text = said if isinstance(said, str) else yaml.safe_dump({**base, **said})
    return {"run": run, "files": {"recipe.yaml": text, **row.get("files", {})}}


class Material:
    """The material by name; `{name}` in a text becomes its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        if name not in self.made:
            self.made[name] = self.folder / f"{name}{SUFFIXES.get(name, '')}"
            MATERIAL[name](self.made[name])
        return self.made[name]

    def filled(self, text: str, **places: Path) -> str:
        names = "|".join([*MATERIAL, *places])
        return re.sub(rf"\{{({names})\}}", lambda name: str(places.get(name[1]) or self.path(name[1])), text)


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> Material:
    """What rows share, which none of them may change."""
    return Material(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="session")
def at_hand() -> dict[str, Any]:
    """The names that rows of Python use without importing them."""
    from dataset_builder import dense_crf, random_walk
    from diffusers_attnmask import DiffuMaskPipeline, TokenEmbedding, optimize_tokens, trace
    from tests.small_models import sd15
    from train_segmenter.mean_iou import mean_iou

    pipe = DiffuMaskPipeline.from_pipe(sd15())
    pipe.set_progress_bar_config(disable=True)
    mask = np.zeros((64, 64), np.uint8)
    mask[:40, :40] = 1
    return {
        **{
            own.__name__: own for own in (dense_crf, random_walk, mean_iou, DiffuMaskPipeline, TokenEmbedding)
        },
        **{own.__name__: own for own in (optimize_tokens, trace)},
        "np": np,
        "torch": torch,
        "pipe": pipe,
        "image": Image.new("RGB", (64, 64)),
        "mask": mask,
        "pixels": np.zeros((8, 8, 3), np.uint8),
        "probs": np.full((2, 8, 8), 0.5, np.float32),
    }


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def stamps(folder: Path) -> dict[Path, int]:
    """When files were changed; a folder may be held for a moment, which its own stamp tells."""
    return {path: 0 if path.is_dir() else path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def prepared(material, tmp_path, monkeypatch):
    """A row's texts with their paths, once its files are written; afterwards: nothing has changed."""

    def prepare(row: dict[str, Any]) -> tuple[Any, list[str], Any]:
        places = {"tmp": tmp_path, "out": tmp_path / "out"}
        for name, text in row.get("files", {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(material.filled(text, **places), encoding="utf-8")
        asked = row.get("run", row.get("python"))
        words = shlex.split(asked) if "run" in row and isinstance(asked, str) else asked
        filled = (
            [material.filled(str(word), **places) for word in words]
            if isinstance(words, list)
            else material.filled(words, **places)
        )
        due = [material.filled(str(words), **places) for words in row["line"]]
        monkeypatch.chdir(tmp_path)
        before = (contents(tmp_path), stamps(material.folder))

        def check() -> None:
            assert stamps(material.folder) == before[1], "the material of all rows has changed"
            assert contents(tmp_path) == before[0], "something was written or removed"

        return filled, due, check

    return prepare


@pytest.mark.parametrize("row", rows("run"))
def test_a_mistake_is_told_in_one_line(row, prepared, monkeypatch, capfd):
    words, due, check = prepared(row)
    monkeypatch.delenv("ATTNMASK_DEBUG", raising=False)
    monkeypatch.setattr(sys, "argv", ["attnmask", *words])
    capfd.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capfd.readouterr()
    *before, line = told.err.splitlines() or [""]
    assert line.startswith("attnmask: "), told.err
    assert [own for own in before if not BAR.search(own)] == [], told.err
    assert [words for words in due if words not in line] == [], line
    assert end.value.code == row.get("code", 2), line
    check()


@pytest.mark.parametrize("row", rows("python"))
def test_a_mistaken_call_says_what_to_change(row, prepared, at_hand):
    call, due, check = prepared(row)
    with pytest.raises((ValueError, TypeError, OSError)) as mistake:
        exec(compile(call, "<row>", "exec"), {"__name__": "row", **at_hand})
    assert raised_on_purpose(mistake.value), repr(mistake.value)
    assert [words for words in due if words not in str(mistake.value)] == [], str(mistake.value)
    check()


def test_every_row_has_a_name_of_its_own():
    for file in CASES.glob("*.yaml"):
        names = [row["says"] for row in yaml.safe_load(file.read_text(encoding="utf-8"))]
        assert len(names) == len(set(names)), file
