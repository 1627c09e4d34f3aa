"""The root command: discovery through entry points, one-line errors, exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib.metadata import EntryPoint, version
from pathlib import Path

import pytest
from tqdm import tqdm

from diffusers_attnmask import cli
from diffusers_attnmask.ground.damage import DamagedFile


def greet(name: str) -> None:
    """Greet somebody."""
    print(f"hello {name}")


def fail_in_two_lines() -> None:
    raise ValueError("no class 'dgo' in the prompt:\n  did you mean 'dog'?")


def crash() -> None:
    raise RuntimeError("a bug")


def compare() -> None:
    print(min(1, None))


def exhaust() -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nA long story.")


def fill_the_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "pairs.parquet")


def open_what_is_missing() -> None:
    Path("missing.yaml").read_text()


def read_what_is_damaged() -> None:
    raise DamagedFile("a.png is cut off")


def stop() -> None:
    raise KeyboardInterrupt


def fail_below_a_bar() -> None:
    for _ in tqdm(range(3), "sampling"):
        raise ValueError("no such class")


ENDINGS = (
    *(crash, compare, exhaust, fill_the_disk, open_what_is_missing, read_what_is_damaged, stop),
    fail_below_a_bar,
)


def command(name: str, function: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{function}", cli.COMMAND_GROUP)


@pytest.fixture
def attnmask(monkeypatch, capsys):
    """Runs the console entry in this process; returns exit code, standard output, standard error."""
    commands = [
        command("greet", "greet"),
        command("fail", "fail_in_two_lines"),
        *(command(own.__name__.replace("_", "-"), own.__name__) for own in ENDINGS),
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


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("crash", 1, "RuntimeError: a bug (unexpected here: ATTNMASK_DEBUG=1 shows where it comes from)"),
        ("exhaust", 1, "the memory is used up: ask for less at once (a smaller batch, smaller images)"),
        ("open-what-is-missing", 2, "there is no file or folder missing.yaml"),
        ("read-what-is-damaged", 1, "a.png is cut off"),
        ("stop", 130, "stopped"),
    ],
)
def test_whatever_happens_is_one_line_and_a_code(attnmask, name, code, line):
    assert attnmask(name) == (code, "", f"attnmask: {line}\n")


def test_what_the_interpreter_says_is_no_mistake_of_the_user(attnmask):
    code, _, err = attnmask("compare")
    assert code == 1
    assert err.startswith("attnmask: TypeError: '<' not supported") and "ATTNMASK_DEBUG=1" in err


def test_a_full_disk_is_told_with_the_file_and_what_to_do(attnmask):
    code, _, err = attnmask("fill-the-disk")
    assert code == 1
    assert "disk is full" in err and "pairs.parquet" in err and "Errno" not in err


def test_an_error_below_a_bar_stands_on_a_line_of_its_own(attnmask):
    code, _, err = attnmask("fail-below-a-bar")
    assert code == 2
    assert err.endswith("\nattnmask: no such class\n")


@pytest.mark.parametrize("words", [["greet"], ["greet", "Ada", "--loud"], ["greet", "Ada", "Bob"]])
def test_what_cannot_be_parsed_is_one_line_with_the_way_to_the_help(attnmask, words):
    code, _, err = attnmask(*words)
    assert code == 2
    assert err.startswith("attnmask: ") and err.endswith("greet --help says what there is)\n")


def test_without_a_command_there_is_the_help(attnmask):
    code, out, err = attnmask()
    assert (code, err) == (2, "")
    assert "Usage:" in out and "greet" in out


def test_a_reader_that_goes_away_ends_a_command_quietly():
    """As `attnmask ... | head -1` does; a small text is only written when the command ends."""
    program = "import sys; from diffusers_attnmask.cli import main; sys.argv[1:] = ['--help']; main()"
    reading, out = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", program], stdout=out, stderr=subprocess.PIPE, check=False)
    os.close(out)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_command_that_cannot_be_imported_spares_the_others(attnmask):
    code, out, _ = attnmask("--help")
    assert code == 0
    assert "no_such_module" in out
    assert attnmask("greet", "Ada")[0] == 0
    code, _, err = attnmask("broken")
    assert code == 1
    assert "'broken'" in err and "no_such_module" in err


def test_an_unknown_command_is_refused(attnmask):
    code, _, err = attnmask("crush-it-all")
    assert code == 2
    assert "crush-it-all" in err and "mean" not in err


def test_a_command_that_is_misspelt_is_answered_with_the_nearest(attnmask):
    code, _, err = attnmask("gret")
    assert code == 2
    assert err.startswith("attnmask: No such command 'gret': did you mean greet? (")


def test_a_shell_completes_commands_and_their_options():
    program = "from diffusers_attnmask.cli import main; main()"

    def completed(*words: str) -> str:
        asked = {
            "_ATTNMASK_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("attnmask", *words)),
            "COMP_CWORD": str(len(words)),
        }
        line = [
            "env",
            "-u",
            "ATTNMASK_DEBUG",
            sys.executable,
            "-c",
            f"import sys; sys.argv[0] = 'attnmask'; {program}",
        ]
        return subprocess.run(
            line, env=os.environ | asked, capture_output=True, text=True, check=False
        ).stdout

    assert completed("tr").split() == ["train"]
    assert {"--data", "--dry-run"} <= set(completed("train", "--d").split())
