"""Captions one by one from text, JSON, CSV and Parquet files, and from a column of a dataset."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.hub_errors import within_reach

COLUMNS = ("caption", "captions", "text", "prompt")
HUB = "hub:"
DATASET_FILES = (
    "*.parquet",
    "*/*.parquet",
)  # in a folder: without them, all under it would be looked through


def caption_pairs(
    path: str, column: str | None = None, split: str = "train", condition: str | None = None
) -> Iterator[tuple[str, str | None]]:
    """The captions of a file, or of the column of a dataset (`hub:user/name`, or a folder), in order, each
    with the file that the column `condition` names, which may lie beside the captions.

    A cell may hold a list of captions. A .json file is COCO's (`annotations`) or a list.
    """
    import pyarrow

    damages = (UnicodeDecodeError, csv.Error, json.JSONDecodeError, RecursionError, pyarrow.ArrowException)
    try:
        yield from _pairs(path, column, split, condition)
    except damages as mistake:
        raise DamagedFile(f"captions {path} cannot be read: {mistake}") from mistake


def _pairs(
    path: str, column: str | None, split: str, condition: str | None
) -> Iterator[tuple[str, str | None]]:
    file = Path(path)
    suffix = file.suffix.lower()
    if path.startswith(HUB) or file.is_dir():
        rows: Iterable[Any] = _dataset_rows(path.removeprefix(HUB), split, column, condition)
    elif not file.is_file():
        raise FileNotFoundError(f"there is no caption file {path!r}; a dataset of the Hub is hub:user/name")
    elif suffix == ".txt":
        rows = _lines(file)
    elif suffix in READERS:
        rows = READERS[suffix](file, column, condition)
    else:
        raise ValueError(f"captions {path!r} should end in .txt, {', '.join(READERS)}, or be hub:user/name")
    yield from texts(rows, column, path, condition)


def texts(
    rows: Iterable[Any], column: str | None, path: str, condition: str | None = None
) -> Iterator[tuple[str, str | None]]:
    """The captions of rows that are texts or mappings of columns, with their conditions."""
    for number, row in enumerate(rows, start=1):
        beside = None
        if condition is not None:
            told = row.get(condition) if isinstance(row, dict) else None
            if not isinstance(told, str):
                raise ValueError(f"{path}, row {number}: column {condition!r} holds no path of a picture")
            beside = str(Path(path).parent / told)
        if isinstance(row, dict):
            column = column_of(row, column, path)
            value = row[column]
        else:
            value = row
        for text in value if isinstance(value, list | tuple) else [value]:
            if text is not None and not isinstance(text, str):
                raise TypeError(f"{path}, row {number}: {text!r} is not a caption")
            yield text or "", beside


def column_of(row: dict[str, Any], column: str | None, path: str) -> str:
    """The column asked for, or the first usual one."""
    for name in (column,) if column else COLUMNS:
        if name in row:
            return name
    wanted = repr(column) if column else f"any of {', '.join(COLUMNS)}"
    raise ValueError(f"{path} has no column {wanted}; it has {', '.join(map(str, row))}: set `column`")


def columns_of(names: Iterable[str], column: str | None, condition: str | None, path: str) -> list[str]:
    """The columns that are read: of the captions, and of their conditions."""
    row = dict.fromkeys(names)
    return [column_of(row, column, path), *([column_of(row, condition, path)] if condition else ())]


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as lines:
        yield from (line.rstrip("\n") for line in lines)


def _json_lines(file: Path, *_: str | None) -> Iterator[Any]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as mistake:
                    raise DamagedFile(f"{file}, line {number} is not JSON: {mistake}") from mistake


def _json(file: Path, *_: str | None) -> Iterator[Any]:
    content = json.loads(file.read_text(encoding="utf-8-sig"))
    rows = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise ValueError(f"{file} holds neither a list of captions nor COCO's `annotations`")
    yield from rows


def _csv(file: Path, *_: str | None) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")


def _parquet(file: Path, column: str | None, condition: str | None) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        wanted = columns_of(table.schema_arrow.names, column, condition, str(file))
        for batch in table.iter_batches(columns=wanted):
            yield from batch.to_pylist()


def _dataset_rows(
    path: str, split: str, column: str | None, condition: str | None
) -> Iterator[dict[str, Any]]:
    import datasets

    if Path(path).is_dir() and not any(any(Path(path).glob(form)) for form in DATASET_FILES):
        raise ValueError(
            f"captions {path!r} is a folder, and no dataset: name the file of the captions in it"
        )
    with within_reach(path, "dataset"):
        dataset = datasets.load_dataset(path, split=split, streaming=True)
    names = dataset.column_names
    if names:  # images are neither downloaded whole nor decoded for their captions
        dataset = dataset.select_columns(columns_of(names, column, condition, path))
    yield from dataset


READERS: dict[str, Callable[..., Iterator[Any]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
