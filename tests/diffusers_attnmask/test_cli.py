"""The root command: discovery through entry points, one-line errors, exit codes."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, version

import pytest

from diffusers_attnmask import cli


def greet(name: str) -> None:
    """Greet somebody."""
    print(f"hello {name}")


def fail_in_two_lines() -> None:
    raise ValueError("no class 'dgo' in the prompt:\n  did you mean 'dog'?")


def crash() -> None:
    raise RuntimeError("a bug")


def command(name: str, function: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{function}", cli.COMMAND_GROUP)


@pytest.fixture
def attnmask(monkeypatch, capsys):
    """Runs the console entry in this process; returns exit code, standard output, standard error."""
    commands = [
        command("greet", "greet"),
        command("fail", "fail_in_two_lines"),
        command("crash", "crash"),
        EntryPoint("broken", "no_such_module.cli:run", cli.COMMAND_GROUP),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda group: commands if group == cli.COMMAND_GROUP else [])
    monkeypatch.delenv("ATTNMASK_DEBUG", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["attnmask", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, *capsys.readouterr()

    return run


def test_version_is_the_distributions(attnmask):
    assert attnmask("--version") == (0, f"attnmask {version('diffusers-attnmask')}\n", "")


def test_installed_commands_are_listed_with_their_first_line(attnmask):
    code, out, _ = attnmask("--help")
    assert code == 0
    assert "greet" in out and "Greet somebody." in out


def test_a_command_gets_its_arguments(attnmask):
    assert attnmask("greet", "Ada") == (0, "hello Ada\n", "")


def test_a_users_mistake_is_one_line_and_code_2(attnmask):
    code, out, err = attnmask("fail")
    assert (code, out) == (2, "")
    assert err == "attnmask: no class 'dgo' in the prompt: did you mean 'dog'?\n"


def test_debug_shows_where_the_mistake_was_found(attnmask, monkeypatch):
    monkeypatch.setenv("ATTNMASK_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["attnmask", "fail"])
    with pytest.raises(ValueError, match="dgo"):
        cli.main()


def test_a_bug_is_not_dressed_up_as_a_users_mistake(attnmask, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["attnmask", "crash"])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


def test_a_command_that_cannot_be_imported_spares_the_others(attnmask):
    code, out, _ = attnmask("--help")
    assert code == 0
    assert "no_such_module" in out
    assert attnmask("greet", "Ada")[0] == 0
    code, _, err = attnmask("broken")
    assert code == 2
    assert "'broken'" in err and "no_such_module" in err


def test_an_unknown_command_is_refused(attnmask):
    code, _, err = attnmask("gret")
    assert code == 2
    assert "gret" in err
