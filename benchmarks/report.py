"""What a benchmark leaves behind: a table on the terminal and the same rows as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffusers_attnmask.ground.atomic_files import write_text

Row = Mapping[str, Any]


def report(title: str, rows: Sequence[Row], settings: Mapping[str, Any], path: Path | None) -> None:
    """Print the rows under their column names; with a path, also write them with settings and versions."""
    print(f"\n{title}\n{table(rows)}\n")
    if path is not None:
        write_json(
            path, {"benchmark": title, "settings": settings, "environment": environment(), "rows": rows}
        )
        print(f"written to {path}")


def table(rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, *([shown(row.get(name)) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def environment() -> dict[str, str]:
    packages = {name: version(name) for name in ("diffusers-attnmask", "torch", "diffusers")}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, default=str))
