"""A recipe is found by path or by name."""

from __future__ import annotations

import json

import jsonschema
import pytest
import typer
import yaml
from typer.testing import CliRunner

import recipes
from dataset_builder.commands.build import build
from train_segmenter.commands.train import train


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text("pairs: 2\n")
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    return tmp_path


def test_a_name_finds_the_recipe_from_any_folder(folder, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert recipes.find("tiny") == folder / "tiny.yaml"


def test_a_path_wins_over_a_name(folder, monkeypatch):
    own = folder / "tiny"
    own.write_text("pairs: 3\n")
    monkeypatch.chdir(folder)
    assert recipes.find("tiny").resolve() == own


def test_an_unknown_recipe_lists_the_known(folder):
    with pytest.raises(FileNotFoundError, match=r"no recipe 'tny'.*tiny"):
        recipes.find("tny")


def printed_schema(command):
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, ["--schema"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("command", "of_training", "misspelt"),
    [(build, False, "sampling: {stpes: 3}"), (train, True, "training: {stpes: 3}")],
)
def test_the_bundled_recipes_fit_the_schema_that_their_command_prints(command, of_training, misspelt):
    schema = printed_schema(command)
    jsonschema.Draft202012Validator.check_schema(schema)
    names = recipes.names(training=of_training)
    assert names
    for name in names:
        content = yaml.safe_load(recipes.find(name).read_text(encoding="utf-8"))
        jsonschema.validate(json.loads(json.dumps(content)), schema)
        with pytest.raises(jsonschema.ValidationError, match="stpes"):
            jsonschema.validate(content | yaml.safe_load(misspelt), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, schema)


def test_the_schema_takes_the_short_forms_of_a_recipe():
    schema = printed_schema(build)
    for prompts in (
        {"captions": "a.txt"},
        {"captions": ["a.txt", {"path": "b.txt", "filter": "published"}], "templates": True},
        {"templates": {"scenes": "$street", "objects": {"1": 0.5, "2": 0.5}}},
    ):
        jsonschema.validate({"vocabulary": "voc", "prompts": prompts}, schema)
    jsonschema.validate({"model": "smp:unet", "training": {"augment": True}}, printed_schema(train))
