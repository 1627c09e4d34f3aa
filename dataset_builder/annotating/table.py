"""A table of pictures and what they show: CSV, or a JSON object in each line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_builder.vocabulary import Vocabulary
from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.json_files import read_json_lines

COLUMNS = ("file", "classes")
SEPARATORS = re.compile(r"[;,|]")  # between classes in one cell


@dataclass(frozen=True)
class Entry:
    """A picture's path from its folder, the classes that it shows, and its caption, empty without one."""

    file: str
    classes: tuple[str, ...]
    caption: str = ""


def read_table(path: Path, vocabulary: Vocabulary) -> dict[str, Entry]:
    """The entries of a table by their pictures, in the order of its rows."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no table {path}")
    entries: dict[str, Entry] = {}
    try:
        for number, row in enumerate(_rows(path), start=1):
            entry = _entry(row, f"{path}, row {number}", vocabulary)
            if entry.file in entries:
                raise ValueError(f"{path}, row {number}: {entry.file} has a row already")
            entries[entry.file] = entry
    except (UnicodeDecodeError, csv.Error) as mistake:
        raise DamagedFile(f"the table {path} cannot be read: {mistake}") from mistake
    if not entries:
        raise ValueError(f"the table {path} has no rows")
    return entries


def _rows(path: Path) -> Iterator[Any]:
    if path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from csv.DictReader(stream)
    elif path.suffix.lower() == ".jsonl":
        yield from read_json_lines(path)
    else:
        raise ValueError(f"the table {path} should end in .csv or .jsonl")


def _entry(row: Any, where: str, vocabulary: Vocabulary) -> Entry:
    if not isinstance(row, Mapping) or any(row.get(column) is None for column in COLUMNS):
        raise ValueError(f"{where} lacks the columns {' and '.join(COLUMNS)}: {row!r}")
    classes = row["classes"]
    names = SEPARATORS.split(classes) if isinstance(classes, str) else classes
    if not isinstance(names, list) or not all(isinstance(own, str) for own in (*names, row["file"])):
        raise ValueError(f"{where}: a file is text, and classes are text or a list of it, not {row!r}")
    wanted = tuple(dict.fromkeys(own.strip() for own in names if own.strip()))
    if not wanted:
        raise ValueError(f"{where}: {row['file']} shows no class: leave it out, or name what it shows")
    known = [own.name for own in vocabulary.classes]
    if unknown := [own for own in wanted if own not in known]:
        raise ValueError(f"{where}: {unknown[0]!r} is no class, which are {', '.join(known)}")
    return Entry(row["file"], wanted, str(row.get("caption") or "").strip())
