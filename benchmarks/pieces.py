"""The pieces of the board, as `pieces.yaml` tells them: benchmarks with options, and what one learns."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from typing import Literal

import yaml

from benchmarks.environment import ROOT
from benchmarks.report import typed
from diffusers_attnmask.ground.options import Count, Name, options, read_options

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SCRATCH = Path("bench")  # below the root, which git ignores
Setting = Literal["quick", "full"]


@options(kw_only=True)
class Piece:
    """A benchmark at its settings.

    question: what it answers.
    concludes: what a reader may conclude.
    minutes: of `full`, on two idle cores.
    full: its options at the settings of the page.
    quick: the same at settings that take a minute or less.
    threads: of torch; by default what it takes.
    needs: packages without which it is left out.
    columns: the columns that its table has on the page; by default all.
    """

    question: Name
    concludes: Name
    minutes: Count
    full: str
    quick: str
    threads: Count | None = None
    needs: tuple[Name, ...] = ()
    columns: tuple[Name, ...] = ()

    def missing(self) -> list[str]:
        return [package for package in self.needs if importlib.util.find_spec(package) is None]


def pieces() -> dict[str, Piece]:
    file = HERE / "pieces.yaml"
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: read_options(Piece, value, f"{file.name}: {name}") for name, value in found.items()}


def benchmark(name: str) -> str:
    """The module of a piece."""
    return name.partition("-")[0]


def work_folder(name: str, setting: Setting) -> Path:
    return SCRATCH / setting / name


def words(name: str, piece: Piece, setting: Setting) -> list[str]:
    """The options of a piece, as a shell would split them."""
    text = piece.full if setting == "full" else piece.quick
    return [word.replace("{work}", work_folder(name, setting).as_posix()) for word in shlex.split(text)]


def command(name: str, piece: Piece) -> str:
    """The full command as a file of rows tells it."""
    return typed(benchmark(name), words(name, piece, "full"), piece.threads)


def rows_file(name: str, setting: Setting = "full") -> Path:
    return RESULTS / f"{name}.json" if setting == "full" else ROOT / SCRATCH / "quick" / f"{name}.json"
