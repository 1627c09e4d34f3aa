"""All bars look alike and come from one place; libraries have none unless they are asked for."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from diffusers_attnmask import cli, quiet
from diffusers_attnmask.ground.bars import bar, moving_bar, style

ROOT = Path(__file__).parents[3]
PACKAGES = ("diffusers_attnmask", "train_segmenter", "dataset_builder")


def imported(file: Path) -> set[str]:
    """The packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {own.name.partition(".")[0] for own in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_no_other_file_makes_bars():
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert [file.name for file in files if {"tqdm", "rich"} & imported(file)] == ["bars.py"]


def test_a_bar_tells_how_much_how_fast_and_how_long(capsys):
    with moving_bar("building", 4, first=1) as moving:
        moving.say("kept 2, out/train-00000.parquet")
        moving.update(2)
    line = capsys.readouterr().err.splitlines()[-1].split("\r")[-1]
    assert line.startswith("building  75%|")
    assert "3/4 [" in line
    assert "pair/s, " in line
    assert " left, kept 2, out/train-00000.parquet]" in line
    assert style("seed 3")["bar_format"] == moving.bar_format


def test_a_bar_that_is_not_shown_says_nothing(capsys):
    assert list(bar([1, 2], "checking", shown=False)) == [1, 2]
    assert not capsys.readouterr().err


def test_libraries_are_quiet_unless_a_command_is_asked_to_be_verbose(monkeypatch):
    asked = []
    monkeypatch.setattr(cli, "quiet_libraries", lambda: asked.append(True))
    app = typer.Typer()

    def command(number: int = 1) -> None:
        typer.echo(number)

    app.command()(cli.quiet_unless_verbose(command))
    for words, quieted in (([], [True]), (["-v"], []), (["--verbose", "--number", "2"], [])):
        asked.clear()
        ended = CliRunner().invoke(app, words)
        assert (ended.exit_code, asked) == (0, quieted), ended.output


def test_bars_and_warnings_of_libraries_are_silenced():
    script = """
import json, logging, warnings
from diffusers_attnmask.quiet import quiet_libraries
quiet_libraries()
import datasets, diffusers, transformers
from diffusers_attnmask.ground.bars import bar
from tqdm import tqdm
names = ("datasets", "diffusers", "transformers")
levels = {name: logging.getLogger(name).getEffectiveLevel() for name in names}
warnings.warn_explicit("old", FutureWarning, "a.py", 1, module="transformers.models")
print(json.dumps([levels, datasets.are_progress_bars_disabled(), tqdm([1]).disable, bar([1], "x").disable]))
"""
    names = {name: value for name, value in os.environ.items() if name not in quiet.QUIET}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=names)
    levels, *bars = json.loads(ended.stdout)
    assert set(levels.values()) == {40}  # errors alone
    assert bars == [True, True, False]
    assert "old" not in ended.stderr
