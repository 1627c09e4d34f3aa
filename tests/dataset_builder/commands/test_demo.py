"""The demo goes the whole way, and again from where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building.run import build
from dataset_builder.commands.demo import demo
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.demo import stages, trainings
from dataset_builder.demo.options import FULL, QUICK, DemoOptions
from dataset_builder.demo.run import run_demo
from dataset_builder.demo.story import seen_as
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe

OPTIONS = DemoOptions(pairs=24, sampling_steps=2, steps=2, judge_steps=2, held_out=4, workers=1)


@pytest.fixture
def painted(monkeypatch):
    """Pairs without a model, since there is one demo for all of them."""

    def sample_pairs(options, folder):
        recipe = Recipe.read("tiny").with_changes(pairs=options.pairs, seed=options.seed)
        engine = EngineOptions(workers=0)
        build(recipe, folder, engine, make_sampler=PaintedSampler(side=128), show_progress=False)

    monkeypatch.setattr(stages, "sample_pairs", sample_pairs)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_stage_leaves_its_result_and_none_is_done_twice(painted, tmp_path, monkeypatch):
    announced = []
    scores = run_demo(tmp_path, OPTIONS, announce=announced.append)
    assert [line[:5] for line in announced] == ["[1/6]", "     ", *(f"[{n}/6]" for n in range(2, 7))]
    assert Path(announced[1].split("look at ")[1]).is_file()
    assert announced[2] == "[2/6] sample 24 pairs, refine and write them"
    assert scores["sampled"] == 24
    assert 0 < scores["kept"] <= 24
    assert set(scores["mean_iou"]) == {"generated", "exact"}
    assert all(0 <= value <= 1 for value in scores["mean_iou"].values())
    assert len(scores["seconds"]) == 6
    assert json.loads((tmp_path / "scores.json").read_text()) == scores
    assert "data:image" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "filtered" / "README.md").is_file()
    assert Image.open(tmp_path / "story.png").width >= 1200

    monkeypatch.setattr("train_segmenter.training.loop.train", None)
    monkeypatch.setattr("dataset_builder.demo.stages.filter_dataset", None)
    again = run_demo(tmp_path, OPTIONS)
    assert again["mean_iou"] == scores["mean_iou"]


def test_the_pairs_are_those_of_the_bundled_model_in_few_steps(tmp_path):
    stages.sample_pairs(replace(OPTIONS, pairs=8, sampling_steps=1, workers=0), tmp_path / "data")
    pairs = list(read_pairs(tmp_path / "data"))
    assert 0 < len(pairs) <= 8 and all(pair.image.size == (128, 128) for pair in pairs)


def test_what_the_story_does_not_ask_for_is_another_class():
    names = ("background", "heart", "fish", "star")
    assert seen_as(np.array([0, 1, 2, 3]), names).tolist() == [0, 3, 2, 1]


def test_segmenters_that_train_side_by_side_are_those_of_one_process(tmp_path):
    for workers in (1, 2):
        options = replace(OPTIONS, workers=workers)
        out = tmp_path / str(workers)
        recipe = Recipe.read("tiny").with_changes(pairs=12)
        sampler = PaintedSampler(side=128)
        build(recipe, out / "filtered", EngineOptions(workers=0), make_sampler=sampler, show_progress=False)
        trainings.train_both(out, options)
    for name in (trainings.GENERATED, trainings.EXACT):
        alone, beside = (tmp_path / workers / f"segmenter-{name}/model.safetensors" for workers in "12")
        assert alone.read_bytes() == beside.read_bytes()


@pytest.mark.parametrize(("flags", "size"), [([], QUICK), (["--full"], FULL)])
def test_there_is_a_quick_demo_and_a_full_one(tmp_path, monkeypatch, flags, size):
    asked = []
    monkeypatch.setattr(
        "dataset_builder.demo.run.run_demo", lambda out, options, announce: asked.append(options) or {}
    )
    app = typer.Typer()
    app.command()(demo)
    assert CliRunner().invoke(app, [*flags, "--json", "--out", str(tmp_path)]).exit_code == 0
    assert asked == [DemoOptions(**size)]


def test_the_command_hands_its_options_on(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "dataset_builder.demo.run.run_demo", lambda out, options, announce: asked.append((options, out)) or {}
    )
    app = typer.Typer()
    app.command()(demo)
    command = ["--pairs", "9", "--steps", "5", "--seed", "3", "--workers", "0", "--json"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert asked == [(DemoOptions(pairs=9, seed=3, steps=5, judge_steps=5, workers=0), str(tmp_path))]


def test_the_end_says_the_scores_and_where_to_look(tmp_path, monkeypatch):
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
    monkeypatch.setattr("dataset_builder.demo.run.run_demo", lambda *arguments, **named: scores)
    app = typer.Typer()
    app.command()(demo)
    text = CliRunner().invoke(app, ["--out", str(tmp_path)]).output.strip()
    assert "20 of 24 sampled pairs kept" in text
    assert "star            0.750  1.000" in text
    assert "mean            0.500  0.750" in text
    assert str(tmp_path / "report.html") in text
    assert text.endswith(f"--model {tmp_path / 'segmenter-generated'} --scales 0.5")
