"""Card templates for datasets, models and pipelines on the Hub, and the entry of a Space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

FOLDER = Path(__file__).parent


def rendered(template: str, **values: Any) -> str:
    """A template of this folder, or several joined by `+`; lines of control alone leave no line."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    parts = [(FOLDER / name).read_text(encoding="utf-8") for name in template.split("+")]
    return environment.from_string("".join(parts)).render(**values, cell=cell)


def cell(value: Any) -> str:
    """A value as a cell of a table, which it cannot break."""
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")
