"""JSON from files: one object or list, no name given twice, no number that JSON does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from diffusers_attnmask.ground.damage import DamagedFile

WHAT: dict[type, str] = {dict: "an object of names and values", list: "a list"}


def read_json(file: Path, kind: type = dict, infinities: bool = False) -> Any:
    """The content of a UTF-8 file that holds an object (`kind` dict) or a list.

    infinities: whether it may hold `Infinity` and `-Infinity`, as the configs of some schedulers do.
    """
    content = _loaded(file, lambda text: _parsed(text, infinities))
    if not isinstance(content, kind):
        raise DamagedFile(f"{file} should hold {WHAT[kind]}, not {type(content).__name__}")
    return content


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a UTF-8 file that has one in each line."""
    # not `splitlines`, which also ends lines within texts, as at U+2028
    rows = _loaded(file, lambda text: [_parsed(line) for line in text.split("\n") if line.strip()])
    if wrong := [row for row in rows if not isinstance(row, dict)]:
        raise DamagedFile(f"{file} should hold {WHAT[dict]} in each line, not {type(wrong[0]).__name__}")
    return rows


def _parsed(text: str, infinities: bool = False) -> Any:
    constants = _infinity if infinities else _refused
    return json.loads(text, object_pairs_hook=_once, parse_constant=constants)


def _loaded(file: Path, parse: Callable[[str], Any]) -> Any:
    """What is made of a file's text, with faults that name the file."""
    try:
        return parse(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {file}") from None
    except json.JSONDecodeError as mistake:
        what = f"line {mistake.lineno}: {mistake.msg}" if file.stat().st_size else "it is empty"
        raise DamagedFile(f"{file} is not valid JSON: {what}") from mistake
    except RecursionError:
        raise DamagedFile(f"{file} is not valid JSON: it is nested too deeply") from None
    except ValueError as mistake:  # no UTF-8, a name twice, NaN, a number of thousands of digits
        raise DamagedFile(f"{file} is not valid JSON: {mistake}") from mistake


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is given twice")
    return content


def _infinity(constant: str) -> float:
    return float(constant) if constant != "NaN" else _refused(constant)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
