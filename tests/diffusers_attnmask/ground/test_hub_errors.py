"""A folder that is not there is named, whether or not it looks like a repository of the Hub."""

from __future__ import annotations

import re

import pytest
import typer
from typer.testing import CliRunner

from diffusers_attnmask.ground.hub_errors import within_reach


@pytest.mark.parametrize(
    "word", ["nowhere", "data/pairs/train", "./pairs", "/no/where", "~/pairs", "../pairs"]
)
def test_what_cannot_be_a_repository_is_not_looked_for(word):
    with (
        pytest.raises(FileNotFoundError, match=f"no dataset at '{re.escape(word)}': neither a folder nor"),
        within_reach(word, "dataset"),
    ):
        pytest.fail("it was opened")


def test_what_may_be_either_is_said_to_be_neither_in_one_line(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as raised, within_reach("data/pairs", "dataset"):
        raise ConnectionError("Couldn't reach the Hub.\nA second line.")
    assert str(raised.value) == (
        "There is no folder data/pairs, and no dataset of this name within reach on the Hub (Couldn't reach "
        "the Hub)."
    )


def test_errors_inside_an_existing_folder_pass(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^row 3$"), within_reach(tmp_path, "dataset"):
        raise FileNotFoundError("row 3")


COMMANDS = {
    "filter": ("dataset_builder.commands.filter:filter", "--data", "--out"),
    "refine": ("dataset_builder.commands.refine:refine", "--data", "--out"),
    "augment": ("dataset_builder.commands.augment:augment", "--data", "--out"),
    "export": ("dataset_builder.commands.export:export", "--to", "voc", "--data", "--out"),
    "report": ("dataset_builder.commands.report:report", "--out"),
}


@pytest.mark.parametrize("missing", ["nowhere", "data/nowhere"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_names_a_dataset_that_is_not_there(name, missing, monkeypatch, tmp_path):
    from pkgutil import resolve_name

    monkeypatch.chdir(tmp_path)
    place, *options = COMMANDS[name]
    arguments = [*options[:-1], missing, options[-1], str(tmp_path / "out.html")]
    app = typer.Typer()
    app.command()(resolve_name(place))
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, FileNotFoundError), repr(error)
    assert missing in str(error) and "\n" not in str(error)
    assert "neither a folder nor" in str(error) or "There is no folder data/nowhere" in str(error)
    assert not list(tmp_path.iterdir())


def test_trainings_name_data_and_models_that_are_not_there(monkeypatch, tmp_path):
    from train_segmenter.data import open_source
    from train_segmenter.models import load

    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no folder data/nowhere, and no dataset"):
        open_source("data/nowhere@val")
    with pytest.raises(FileNotFoundError, match=r"There is no folder runs/nowhere, and no model"):
        load("runs/nowhere")
    for open_it, word in ((open_source, "./pairs"), (load, "nowhere")):
        with pytest.raises(FileNotFoundError, match=r"neither a folder nor a Hub name"):
            open_it(word)
