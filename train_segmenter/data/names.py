"""Class names by id, from the file beside the data that says them, or from the data's own labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Features

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.json_files import read_json

LABELS = "id2label.json"  # {"0": "background", ...}
LINES = "classes.txt"  # a line for each id


def labels_of(features: Features) -> tuple[str, ...] | None:
    """The names of the column `classes`, where it is a list of labels."""
    label = getattr(features.get("classes"), "feature", None)
    return tuple(label.names) if isinstance(label, ClassLabel) else None


def check_labels(names: Sequence[str], labels: Sequence[str], file: str, origin: str) -> None:
    """Refuse the names of a file where the labels within the data are others."""
    for number, (name, label) in enumerate(zip_longest(names, labels)):
        if name != label:
            told, within = ("nothing" if own is None else repr(own) for own in (name, label))
            raise ValueError(
                f"{file} calls id {number} {told}, the column `classes` of {origin} {within}: correct "
                f"{file}, or remove it"
            )


def read_names(root: Path) -> tuple[str, ...] | None:
    """The names that `id2label.json`, else `classes.txt`, of a folder says; None where there is neither."""
    if (root / LABELS).is_file():
        return read_labels(root / LABELS)
    if (root / LINES).is_file():
        lines = read_lines(root / LINES)
        return fitting(tuple(line.strip() for line in lines if line.strip()), str(root / LINES))
    return None


def class_names(root: Path) -> tuple[str, ...]:
    """The names that a folder must say."""
    names = read_names(root)
    if names is None:
        raise FileNotFoundError(
            f"{root} has neither {LABELS} nor {LINES}: write the class names to one, by id."
        )
    return names


def read_labels(file: Path) -> tuple[str, ...]:
    """The names of an `id2label.json`."""
    return names_by_id(read_json(file), str(file))


def names_by_id(id2label: Mapping[Any, Any], origin: str) -> tuple[str, ...]:
    """The names in the order of their ids, which go from 0 without a gap (255, ignored, may be listed)."""
    names: dict[int, str] = {}
    for key, name in id2label.items():
        number = int(key) if str(key).isdecimal() else None
        if number is None or not isinstance(name, str) or not name.strip():
            raise ValueError(
                f'{origin} should name ids, as {{"0": "background", "1": "dog"}}, not {key!r}: {name!r}'
            )
        if number != IGNORE_ID:
            names[number] = name
    if sorted(names) != list(range(len(names))):
        raise ValueError(
            f"The ids of {origin} should go from 0 to {len(names) - 1}, but are {sorted(names)}."
        )
    return fitting(tuple(names[number] for number in range(len(names))), origin)


def fitting(names: tuple[str, ...], origin: str) -> tuple[str, ...]:
    """The names, of which there is one at least, and no more than masks have ids."""
    if not names:
        raise ValueError(f"{origin} names no class.")
    if len(names) > IGNORE_ID:
        raise ValueError(f"{origin} names {len(names)} classes; masks have ids for {IGNORE_ID}.")
    return names


def read_lines(file: Path) -> list[str]:
    """The lines of a text file in UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as mistake:
        raise DamagedFile(f"{file} is no text in UTF-8: {mistake}") from mistake
