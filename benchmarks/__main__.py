"""Runs the pieces of the board: `make bench`.

    python -m benchmarks                              # every piece at quick settings, into bench/quick
    python -m benchmarks full --only mask_quality     # at the page's, into benchmarks/results, and the page
    python -m benchmarks --list                       # what there is, what it takes, whose figures it has

Quick pieces run two at a time, full ones alone, for what they time. A full piece is left out whose rows are
of this version, of these models and of this command. What a piece says goes to a log beside its folder of
work. One that fails does not stop the others, and is told at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Annotated, Any

import typer

from benchmarks.environment import ROOT, models
from benchmarks.page import write_pages
from benchmarks.pieces import Piece, Setting, benchmark, command, pieces, rows_file, words, work_folder

BESIDE: dict[Setting, int] = {"quick": 2, "full": 1}  # pieces at once: what quick ones time is worth nothing


def main(
    setting: Annotated[Setting, typer.Argument(help="quick or full.")] = "quick",
    only: Annotated[list[str] | None, typer.Option(help="A piece; may be repeated.")] = None,
    again: Annotated[bool, typer.Option(help="Also what has its rows.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Run nothing, and tell what there is.")] = False,
) -> None:
    chosen = selected(pieces(), only or [])
    if listed:
        for name, piece in chosen.items():
            print(f"{name:26} {piece.minutes:5} min  {standing(name, piece)}")
        return
    failed = []
    with ThreadPoolExecutor(BESIDE[setting]) as pool:
        saying = pool.map(lambda name: run(name, chosen[name], setting, again), chosen)
        for number, name in enumerate(chosen, 1):
            print(f"{number:2}/{len(chosen)} {name:26}", end="", flush=True)
            said = next(saying)
            print(said, flush=True)
            if said.startswith("FAILED"):
                failed.append(name)
    if setting == "full":
        write_pages()
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}", file=sys.stderr)
        raise SystemExit(1)


def selected(found: Mapping[str, Piece], only: list[str]) -> dict[str, Piece]:
    if unknown := set(only) - found.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))} is none of {', '.join(found)}")
    return {name: piece for name, piece in found.items() if not only or name in only}


def run(name: str, piece: Piece, setting: Setting, again: bool = False) -> str:
    """Run a piece, or leave it out, and say which in a few words."""
    if missing := piece.missing():
        return f"left out, without {', '.join(missing)}"
    if setting == "full" and not again and standing(name, piece) == TODAYS:
        return "has its rows"
    work = ROOT / work_folder(name, setting)
    if setting == "quick":
        shutil.rmtree(work, ignore_errors=True)  # else it would find its own work done
    work.mkdir(parents=True, exist_ok=True)
    log = work.with_name(f"{name}.log")
    typed = ["-m", f"benchmarks.{benchmark(name)}", *words(name, piece, setting)]
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as said:
        ended = subprocess.run(
            [sys.executable, *typed, "--json", str(rows_file(name, setting))],
            cwd=ROOT,
            env=surroundings(piece, setting),
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = f"{time.monotonic() - started:.0f} s"
    if ended.returncode:
        return f"FAILED after {seconds} (exit code {ended.returncode}): {log.relative_to(ROOT)}"
    return seconds


def surroundings(piece: Piece, setting: Setting) -> dict[str, str]:
    """The environment; torch has the piece's own number of threads, in full runs never this process's, and in
    quick ones, which have another beside them, one."""
    kept = {"OMP_NUM_THREADS": "1", **os.environ}
    if setting == "full":
        kept.pop("OMP_NUM_THREADS", None)
    return kept if piece.threads is None else {**kept, "OMP_NUM_THREADS": str(piece.threads)}


TODAYS = "today's"


def standing(name: str, piece: Piece) -> str:
    """Whose figures a piece has."""
    file = rows_file(name)
    if not file.exists():
        return "not measured"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    environment = found["environment"]
    if environment["diffusers-attnmask"] != version("diffusers-attnmask"):
        return f"of version {environment['diffusers-attnmask']}"
    if environment["models"] != models():
        return "of other models"
    return TODAYS if found["command"] == command(name, piece) else "of another command"


if __name__ == "__main__":
    typer.run(main)
