"""`attnmask build`, `report` and `push`: one line says what was made, or what to mend."""

from __future__ import annotations

import json

import pytest
import typer
from datasets import load_dataset
from typer.testing import CliRunner

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building import run
from dataset_builder.building.candidates import Skipped
from dataset_builder.building.dataset import BuiltDataset, build_dataset
from dataset_builder.building.tally import Tally
from dataset_builder.commands.build import build
from dataset_builder.commands.push import push
from dataset_builder.commands.report import report
from dataset_builder.commands.shared_ending import tell
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe
from dataset_builder.report.run import report_dataset

RECIPE = """
vocabulary:
  classes:
    kettle: [kettle, tea kettle]
    lamp: lamp
prompts:
  templates: {scenes: [on a table, in a garden]}
model: someone/model
pairs: 9
shard_size: 4
"""


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.setattr(run, "diffumask_sampler", lambda recipe: PaintedSampler())
    app = typer.Typer()
    for command in (build, push, report):
        app.command()(command)

    def invoke(*arguments):
        return CliRunner().invoke(app, [str(own) for own in arguments])

    return invoke


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE)
    return file


def test_ten_lines_of_yaml_make_a_dataset_of_ones_own_two_classes(invoke, recipe, tmp_path):
    out = tmp_path / "data"
    result = invoke("build", "--recipe", recipe, "--out", out, "--num-pairs", 6, "--workers", 0)
    assert result.exit_code == 0, result.output
    assert f"6 pairs are in {out}" in result.output
    dataset = load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert dataset.features["classes"].feature.names == ["background", "kettle", "lamp"]
    assert len(dataset) == 6
    assert (out / "README.md").is_file()


def test_what_was_left_out_is_told_with_the_first_reason(capsys):
    tally = Tally(pairs=2)
    for name in ("a.png", "b.png"):
        tally.skip(Skipped(0, "", "picture not readable", f"{name} is not a picture"))
    tell(lambda: BuiltDataset(tally, {}), "out", "pairs", as_json=False)
    assert "left out: 2, picture not readable: a.png is not a picture\n" in capsys.readouterr().out


def test_the_counts_come_as_json(invoke, recipe, tmp_path):
    out = tmp_path / "data"
    result = invoke("build", "--recipe", recipe, "--out", out, "--workers", 0, "--json")
    counts = json.loads(result.stdout.splitlines()[-1])
    assert counts["pairs"] == 9
    assert set(counts["classes"]) == {"kettle", "lamp"}


def test_a_build_goes_on_with_the_same_command_only(invoke, recipe, tmp_path):
    command = ("build", "--recipe", recipe, "--out", tmp_path / "data", "--workers", 0)
    assert invoke(*command).exit_code == 0
    assert invoke(*command).exit_code == 0
    changed = invoke(*command, "--seed", 8)
    assert isinstance(changed.exception, ValueError)
    assert "seed was 0, now 8" in str(changed.exception)


def test_an_interrupted_build_says_how_to_go_on(invoke, recipe, tmp_path, monkeypatch):
    def interrupted(recipe):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "diffumask_sampler", interrupted)
    result = invoke("build", "--recipe", recipe, "--out", tmp_path / "data", "--workers", 0)
    assert result.exit_code == 130
    assert "the same command goes on" in result.output


def test_the_report_lies_in_the_folder(invoke, recipe, tmp_path):
    invoke("build", "--recipe", recipe, "--out", tmp_path / "data", "--workers", 0)
    result = invoke("report", "--data", tmp_path / "data", "--json")
    assert json.loads(result.stdout) == {"report": str(tmp_path / "data" / "report.html")}
    assert "<h1>data</h1>" in (tmp_path / "data" / "report.html").read_text()


def test_the_same_from_python(invoke, recipe, tmp_path):
    asked = Recipe.read(recipe).with_changes(pairs=6)
    built = build_dataset(asked, tmp_path / "python" / "data", EngineOptions(workers=0), progress=False)
    assert (built.tally.pairs, dict(built.incidents), built.address) == (6, {}, None)
    page = report_dataset(str(tmp_path / "python" / "data"))
    typed = tmp_path / "typed" / "data"
    invoke("build", "--recipe", recipe, "--out", typed, "--num-pairs", 6, "--workers", 0)
    invoke("report", "--data", typed)
    assert page == tmp_path / "python" / "data" / "report.html"
    files = [file for file in (tmp_path / "python").rglob("*") if file.is_file() and file.suffix != ".log"]
    assert {"README.md", "manifest.json", "report.html", "samples.png"} < {file.name for file in files}
    for file in files:
        assert file.read_bytes() == (tmp_path / "typed" / file.relative_to(tmp_path / "python")).read_bytes()


def test_a_report_of_nothing_is_refused(invoke, tmp_path):
    result = invoke("report", "--data", tmp_path / "nowhere")
    assert isinstance(result.exception, FileNotFoundError)
    assert "nowhere" in str(result.exception) and "Hub name user/name" in str(result.exception)
