"""A folder that is not there is named, whether or not it looks like a repository of the Hub."""

from __future__ import annotations

import errno
import re
import urllib.request

import pytest
import typer
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from typer.testing import CliRunner

from diffusers_attnmask.ground.hub_errors import OutOfReach, within_reach


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


def test_what_a_lost_connection_hides_is_a_fault_of_the_network(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutOfReach, match="no model of this name"), within_reach("user/name", "model"):
        try:
            raise LocalEntryNotFoundError("neither in the cache nor on the Hub")
        except LocalEntryNotFoundError as reason:
            raise OSError("user/name does not appear to have a file named model_index.json") from reason


def test_a_folder_that_is_missing_beside_others_is_no_repository(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    with (
        pytest.raises(FileNotFoundError, match=r"neither a folder nor a Hub name"),
        within_reach("models/mine", "model"),
    ):
        pytest.fail("it was opened")


def test_a_full_disk_is_not_taken_for_a_missing_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="No space left"), within_reach("user/name", "model"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_hub_that_no_route_leads_to_is_asked_once(monkeypatch, tmp_path):
    """Its libraries would ask again and again for a minute; meanwhile they read their caches alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    with pytest.raises(FileNotFoundError), within_reach("user/name", "model"):
        assert constants.HF_HUB_OFFLINE
        raise FileNotFoundError("it is not in the cache")
    assert not constants.HF_HUB_OFFLINE


def test_errors_inside_an_existing_folder_pass(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^row 3$"), within_reach(tmp_path, "dataset"):
        raise FileNotFoundError("row 3")


COMMANDS = {
    "filter": ("dataset_builder.commands.filter:filter", "--data", "--out"),
    "refine": ("dataset_builder.commands.refine:refine", "--data", "--out"),
    "augment": ("dataset_builder.commands.augment:augment", "--data", "--out"),
    "export": ("dataset_builder.commands.export:export", "--to", "voc", "--data", "--out"),
    "report": ("dataset_builder.commands.report:report", "--data", "--out"),
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
