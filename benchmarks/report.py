"""What a benchmark leaves: a table on the terminal, and the same rows as JSON with all that they depend on.

A cell is a text, a number, or a list of numbers, one for each seed, which is shown as mean ± deviation.
`page.py` shows the rows of a file as they are printed here.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.environment import commit, environment
from diffusers_attnmask.ground.atomic_files import write_text

Row = Mapping[str, Any]
JsonOption = Annotated[Path | None, typer.Option(help="Where to write the rows.")]

DIGITS = 5  # of a number in a file
STARTED_AS = tuple(sys.argv)  # kept at import: a stage that runs as another command changes it


def report(title: str, rows: Sequence[Row], settings: Mapping[str, Any], path: Path | None) -> None:
    """Print the rows under their column names; with a path, also write them there."""
    rows = [{name: rounded(value) for name, value in row.items()} for row in rows]
    print(f"\n{title}\n{table(rows)}\n")
    if path is not None:
        write_json(
            path,
            {
                "title": title,
                "command": command_line(STARTED_AS),
                "date": datetime.now(timezone.utc).date().isoformat(),
                "commit": commit(),
                "environment": environment(),
                "settings": {name: value for name, value in settings.items() if name != "json"},
                "rows": rows,
            },
        )
        print(f"written to {path}")


def rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [rounded(own) for own in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def over_seeds(runs: Sequence[Sequence[Row]]) -> Sequence[Row]:
    """Rows of runs that differ in their seeds alone, as one: measured numbers that differ are lists."""
    if len(runs) == 1:
        return runs[0]
    return [
        {name: one_cell([row.get(name) for row in alike]) for name in columns_of(alike)}
        for alike in zip(*runs, strict=True)
    ]


def one_cell(values: list[Any]) -> Any:
    if any(isinstance(value, float) for value in values):
        return values
    different = list(dict.fromkeys(values))
    numbers = all(isinstance(value, int) for value in different)
    return different[0] if len(different) == 1 else values if numbers else " / ".join(map(str, different))


def table(rows: Sequence[Row]) -> str:
    columns = columns_of(rows)
    lines = [columns, *([shown(row.get(name)) or "-" for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def columns_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def shown(value: Any) -> str:
    """A cell; nothing where there is no value.

    >>> shown(0.91234), shown(736.641), shown(3.1e-7), shown([0.91, 0.93])
    ('0.912', '736.6', '3.1e-07', '0.920 ± 0.014')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        known = [own for own in value if own is not None]
        spread = f" ± {shown(statistics.stdev(known))}" if len(known) > 1 else ""
        return f"{shown(statistics.fmean(known))}{spread}"
    if not isinstance(value, float):
        return str(value)
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.0005:
        return f"{value:.1e}"
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"


def command_line(argv: Sequence[str]) -> str:
    """The command of a process, as it is typed, but for where its rows go."""
    words = list(argv[1:])
    if "--json" in words:
        place = words.index("--json")
        del words[place : place + 2]
    return typed(Path(argv[0]).stem, words, os.environ.get("OMP_NUM_THREADS"))


def typed(benchmark: str, words: Sequence[str], threads: object = None) -> str:
    prefix = f"OMP_NUM_THREADS={threads} " if threads else ""
    return prefix + shlex.join(["python", "-m", f"benchmarks.{benchmark}", *words])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """A row a line, so that a new run differs from an old one where it differs."""
    head = json.dumps({**content, "rows": []}, indent=2, default=str, ensure_ascii=False)
    rows = ",\n".join(f"    {json.dumps(row, default=str, ensure_ascii=False)}" for row in content["rows"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, head.replace('"rows": []', f'"rows": [\n{rows}\n  ]') + "\n")
