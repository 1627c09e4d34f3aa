"""Every command line on the pages is one that its program takes, as it is typed."""

from __future__ import annotations

import re
from configparser import ConfigParser
from importlib import import_module
from typing import Any

import pytest
import typer

from diffusers_attnmask import cli
from tests.pages.blocks import ROOT, Line, shell_lines

LINES = [own for own in shell_lines() if own.page != "results.md"]  # which a table in benchmarks/ decides
OURS = [own for own in LINES if "attnmask" in own.words or "attnmask" in own.text.split()]
BENCHMARKS = [own for own in LINES if "benchmarks." in own.text]
ELSE = [own for own in LINES if own not in OURS and own not in BENCHMARKS]


def ours(line: Line) -> list[str]:
    """The words of a line from our command's name on, without what starts it."""
    words = line.words
    words = words[words.index("attnmask") :]
    return words[: words.index(">")] if ">" in words else words


@pytest.mark.parametrize("line", OURS, ids=str)
def test_a_command_takes_what_is_typed(line):
    _, name, *words = ours(line)
    read_by(cli.command_from(cli.installed_commands()[name]), name, words)


@pytest.mark.parametrize("line", BENCHMARKS, ids=str)
def test_a_benchmark_takes_what_is_typed(line):
    words = [own for own in line.words if "=" not in own or not own.isupper()]
    name = words[words.index("-m") + 1]
    app = typer.Typer()
    app.command()(import_module(name).main)
    read_by(typer.main.get_command(app), name, words[words.index("-m") + 2 :])


def read_by(command: Any, name: str, words: list[str]) -> None:
    """Refuses words that the command does not know, or lacks."""
    try:
        command.make_context(name, words)
    except typer.Exit:  # of an option that only prints
        return


@pytest.mark.parametrize("line", ELSE, ids=str)
def test_other_programs_find_what_is_named(line):
    """Targets of the Makefile, extras, modules and folders."""
    words = [own for own in line.words if not re.match(r"[A-Z_]+=", own)]
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M)
    elif words[0] == "pip":
        assert words[1] == "install"
        assert set(re.findall(r"\[(\w+)\]", line.text)) <= set(settings["options.extras_require"])
    elif words[0] == "torchrun":
        import_module(words[words.index("-m") + 1])
    elif words[:2] == ["hf", "upload"]:
        assert {"README.md", "app.py"} <= {own.name for own in (ROOT / words[3]).iterdir()}
    else:
        assert words in ([".ci/run"], ["hf", "auth", "login"])
