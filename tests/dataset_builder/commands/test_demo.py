"""The demo goes the whole way, and again from where it was stopped."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.painted_sampler import PaintedSampler
from dataset_builder.building.run import EngineOptions, build
from dataset_builder.commands import demo
from dataset_builder.commands.demo import DemoOptions, run, summary
from dataset_builder.recipe import Recipe

OPTIONS = DemoOptions(pairs=24, steps=2, judge_steps=2, held_out=4)


@pytest.fixture
def painted(monkeypatch):
    """Pairs without a model, since there is one demo for all of them."""

    def sample(options, folder):
        recipe = Recipe.read("tiny").with_changes(pairs=options.pairs, seed=options.seed)
        engine = EngineOptions(workers=0)
        build(recipe, folder, engine, make_sampler=PaintedSampler(side=128), show_progress=False)

    monkeypatch.setattr(demo, "sample", sample)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_stage_leaves_its_result_and_none_is_done_twice(painted, tmp_path, monkeypatch):
    scores = run(OPTIONS, tmp_path)
    assert scores["sampled"] == 24
    assert 0 < scores["kept"] <= 24
    assert set(scores["mean_iou"]) == {"generated", "exact"}
    assert all(0 <= value <= 1 for value in scores["mean_iou"].values())
    assert len(scores["seconds"]) == 6
    assert json.loads((tmp_path / "scores.json").read_text()) == scores
    assert "data:image" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "filtered" / "README.md").is_file()

    monkeypatch.setattr("train_segmenter.training.loop.train", None)
    monkeypatch.setattr("dataset_builder.commands.filter.filter", None)
    again = run(OPTIONS, tmp_path)
    assert again["mean_iou"] == scores["mean_iou"]


def test_the_command_hands_its_options_on(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(demo, "run", lambda options, out: asked.append((options, out)) or {})
    app = typer.Typer()
    app.command()(demo.demo)
    command = ["--pairs", "9", "--steps", "5", "--seed", "3", "--workers", "0", "--json"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert asked == [(DemoOptions(pairs=9, seed=3, steps=5, judge_steps=5, workers=0), tmp_path)]


def test_the_end_says_the_scores_and_where_to_look(tmp_path):
    scores = {
        "sampled": 24,
        "kept": 20,
        "steps": 7,
        "held_out": 5,
        "mean_iou": {"generated": 0.5, "exact": 0.75},
        "iou": {"generated": [0.25, 0.75], "exact": [0.5, 1.0]},
        "class_names": ["background", "star"],
        "seconds": {"sample": 12.0},
    }
    text = summary(scores, tmp_path)
    assert "20 of 24 sampled pairs kept" in text
    assert "star            0.750  1.000" in text
    assert "mean            0.500  0.750" in text
    assert str(tmp_path / "report.html") in text
    assert text.endswith(f"--model {tmp_path / 'segmenter-generated'} --scales 0.5")
