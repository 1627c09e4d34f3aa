"""Every command, typed without more than it needs, asks its one function for the defaults that Python has."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

COMMANDS = {
    "annotate": ("dataset_builder.annotating.run:annotate_pictures", "EngineOptions", "f -c dog --out o"),
    "augment": ("dataset_builder.augmentation.run:augment_dataset", "AugmentRun", "--data d --out o"),
    "build": ("dataset_builder.building.dataset:build_dataset", "EngineOptions", "--recipe tiny --out o"),
    "demo": ("dataset_builder.demo.run:run_demo", "DemoOptions", ""),
    "eval": ("train_segmenter.evaluation.run:evaluate_model", "EvaluateRun", "--model m --data d"),
    "filter": ("dataset_builder.noise.run:filter_dataset", "FilterRun", "--data d --out o"),
    "plan": ("dataset_builder.planning.run:plan_build", "PlanOptions", "--recipe tiny"),
    "refine": ("dataset_builder.refinement.run:refine_dataset", "RefineRun", "--data d --out o"),
    "report": ("dataset_builder.report.run:report_dataset", "ReportOptions", "--data d"),
    "sample": ("diffusers_attnmask.sampling.run:sample_pictures", "SampleRun", "prompt -c class"),
    "segment": ("train_segmenter.segmenting.run:segment_pictures", "SegmentRun", "picture --model m"),
    "train": ("train_segmenter.training.run:train_model", "TrainRun", "--data d --out o"),
}


class Asked(Exception):
    """What the library was asked."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_defaults_of_python(name, monkeypatch):
    from diffusers_attnmask.cli import installed_commands

    function, kind, words = COMMANDS[name]
    options = getattr(resolve_name(function.partition(":")[0]), kind)

    def ask(*arguments: Any, **named: Any) -> None:
        raise Asked([own for own in (*arguments, *named.values()) if isinstance(own, options)])

    monkeypatch.setattr(function.replace(":", "."), ask)
    app = typer.Typer()
    app.command()(installed_commands()[name].load())
    asked = CliRunner().invoke(app, words.split()).exception
    assert isinstance(asked, Asked), repr(asked)
    assert asked.args == ([options()],)


def test_every_command_that_has_options_of_its_own_is_known_here():
    from diffusers_attnmask.cli import installed_commands

    assert set(installed_commands()) - set(COMMANDS) == {"app", "doctor", "export", "push"}


def test_the_page_calls_what_there_is():
    """Its example is only compiled by the test of examples, since it goes the whole way."""
    page = (Path(__file__).parents[1] / "docs/command-line.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    calls = {node.func.id for node in ast.walk(ast.parse(example)) if _is_call(node)}
    there: dict[str, Any] = {}
    exec("".join(line for line in example.splitlines(True) if line.startswith("from ")), there)
    assert calls <= set(there)
    assert {function.partition(":")[2] for function, _, _ in COMMANDS.values()} < calls


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
