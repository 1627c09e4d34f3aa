"""Pairs that a person has flagged while browsing, in a table beside the dataset; the filter drops them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from diffusers_attnmask.ground.atomic_files import write_text
from train_segmenter.data import Source

COLUMNS = ("id", "why")


def flags_file(dataset: Path) -> Path:
    """Where the flags of a dataset stand: beside its folder, which stays as it is; of one elsewhere, here."""
    folder = dataset.resolve()
    name = f"{folder.name}.flags.csv"
    return folder.with_name(name) if folder.is_dir() else Path(name)


def read_flags(file: Path) -> dict[str, str]:
    """Why each flagged pair is, by its id."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as mistake:
        raise ValueError(f"{file} is no table of flags: it is not text") from mistake
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise ValueError(f"{file} is no table of flags: its columns are to be {', '.join(COLUMNS)}")
    return {row["id"]: row["why"] or "" for row in rows}


def write_flags(flags: Mapping[str, str], file: Path) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(flags.items())
    write_text(file, stream.getvalue())


def flags_of(file: str | Path | None, source: Source) -> dict[str, str]:
    """Why pairs of a source were flagged, by their ids; a table that names none of its pairs is refused."""
    flags = read_flags(Path(file)) if file else {}
    if flags and not any(source.name(index) in flags for index in range(len(source))):
        raise ValueError(f"--flags names {', '.join(sorted(flags)[:3])} and no pair that the dataset has")
    return flags


def flagged(reasons: Sequence[str], source: Source, flags: Mapping[str, str]) -> list[str]:
    """The reasons why a source's pairs go, "" where they stay, with those of flags before them."""
    told = {own: f"flagged: {why}" if why else "flagged" for own, why in flags.items()}
    return [
        "; ".join(filter(None, (told.get(source.name(index)), reason)))
        for index, reason in enumerate(reasons)
    ]
