"""The table that a filter leaves, read back: which pairs it dropped, and the kinds of reasons why."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("id", "kept", "reason")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?%?")
# What begins a reason of a class, or ends one in words of a person's or the id of another pair.
KINDS = (
    (re.compile(r"^flagged\b.*"), "flagged"),
    (re.compile(r"^almost the picture of .*"), "almost the picture of another"),
    (re.compile(r"^.*: (IoU|covers|second labeller's IoU|is there with) .*"), r"\1"),
    (re.compile(r"^CLIP score .*"), "CLIP score"),
)
TOLD = {
    "IoU": "disagrees with held-out segmenters",
    "covers": "covers too little or too much",
    "second labeller's IoU": "disagrees with the second labeller",
    "is there with": "is not there for a vision-language model",
    "CLIP score": "does not resemble its prompt",
}


@dataclass(frozen=True)
class Verdict:
    """What a filter says of a pair: why it went, "" where it stayed. classes: that its mask shows."""

    id: str
    reason: str
    classes: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The reasons without what is particular to this pair.

        >>> Verdict("7", "star: IoU 0.031 below 0.100; the mask is empty", ()).kinds
        ('disagrees with held-out segmenters', 'the mask is empty')
        """
        return tuple(dict.fromkeys(_kinds(self.reason)))


def _kinds(reason: str) -> Iterator[str]:
    for part in filter(None, reason.split("; ")):
        kind = next((form.sub(name, part) for form, name in KINDS if form.match(part)), part)
        yield TOLD.get(kind, NUMBER.sub("…", kind))


def verdicts_of(file: Path) -> Iterator[Verdict]:
    """The verdicts of a filter's table, one after the other."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        if missing := [name for name in NEEDED if name not in (rows.fieldnames or ())]:
            raise ValueError(f"{file} is no table of a filter: it lacks the columns {', '.join(missing)}")
        for row in rows:
            reason = row["reason"] if row["kept"] == "no" else ""
            yield Verdict(row["id"], reason, _names(row.get("coverage") or ""))


def _names(shown: str) -> tuple[str, ...]:
    """The classes of a cell such as `star=0.0521 traffic light=0.0100`."""
    return tuple(re.findall(r"(.+?)=-?\d+(?:\.\d+)?(?: |$)", shown))
