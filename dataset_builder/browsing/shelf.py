"""The pairs of a dataset, found by what their rows say; pictures are read for those alone that are shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from dataset_builder.dataset_copies import StoredRows, mask_names, open_dataset
from dataset_builder.dataset_folder import FILTER_TABLE, StoredPair, named_classes, quality_of
from dataset_builder.noise.flags import flags_file, read_flags, write_flags
from dataset_builder.noise.reasons import Verdict, verdicts_of
from diffusers_attnmask.app.view import enlarged, large_overlay
from diffusers_attnmask.ground.drawing import Look

PAGE = 24  # pairs that are shown at once
ORDERS = ("as stored", "quality, lowest first", "quality, highest first")
ANY, KEPT, DROPPED = "all", "kept", "dropped"


@dataclass(frozen=True)
class Wanted:
    """What is looked for: a class, quality from `low` to `high`, words of prompt, id, flag or reason, flags
    alone, and what a filter says: kept, dropped, or a kind of reason."""

    class_name: str = ANY
    low: float = 0.0
    high: float = 1.0
    words: str = ""
    flagged: bool = False
    order: str = ORDERS[0]
    verdict: str = ANY


@dataclass(frozen=True)
class Entry:
    """What a row says without its pictures."""

    index: int
    id: str
    prompt: str
    classes: tuple[str, ...]
    quality: float


@dataclass(frozen=True)
class Shelf:
    """A dataset, or a part of one, that was opened by its word; flags change as pairs are flagged.

    verdicts: what a filter says of the pairs, by id. left_out: how many pairs its table drops that are not
    here.
    """

    data: str
    path: Path
    rows: StoredRows
    class_names: tuple[str, ...]
    entries: tuple[Entry, ...]
    flags: dict[str, str]
    verdicts: dict[str, Verdict]
    left_out: int

    @classmethod
    def of(cls, data: str, filtered: str = "") -> Shelf:
        """Open a dataset folder or Hub name. filtered: the folder that a filter made from it."""
        if not data.strip():
            raise ValueError("name a dataset: a folder, or user/name of the Hub")
        opened = open_dataset(data)
        dataset = opened.pairs
        listed = dataset.select_columns(
            [own for own in ("id", "prompt", "classes", "quality") if own in dataset.column_names]
        )
        entries = tuple(_entry(index, row, dataset.features) for index, row in enumerate(listed))
        file = flags_file(opened.path)
        flags = read_flags(file) if file.is_file() else {}
        rows, names = StoredRows(dataset, opened.home), tuple(mask_names(dataset.features))
        verdicts = _verdicts(opened.path, filtered.strip())
        here = {entry.id for entry in entries}
        if filtered.strip() and here.isdisjoint(verdicts):
            raise ValueError(
                f"the filter's table in {filtered} names no pair of {data}: it is of another one"
            )
        left_out = sum(bool(own.reason) for own in verdicts.values() if own.id not in here)
        return cls(data, opened.path, rows, names, entries, flags, verdicts, left_out)

    @property
    def kinds(self) -> list[str]:
        """The kinds of reasons why pairs of this dataset were dropped."""
        told = (self.verdicts[own.id].kinds for own in self.entries if own.id in self.verdicts)
        return sorted({kind for kinds in told for kind in kinds})

    def found(self, wanted: Wanted) -> list[Entry]:
        """The entries that fit, in the order asked for."""
        words = wanted.words.lower().split()
        fitting = [
            own
            for own in self.entries
            if wanted.class_name in (ANY, *own.classes)
            and wanted.low <= own.quality <= wanted.high
            and (own.id in self.flags or not wanted.flagged)
            and self._said(own, wanted.verdict)
            and all(word in self._text(own) for word in words)
        ]
        if wanted.order == ORDERS[0]:
            return fitting
        return sorted(fitting, key=lambda own: own.quality, reverse=wanted.order == ORDERS[2])

    def _said(self, entry: Entry, wanted: str) -> bool:
        if wanted == ANY:
            return True
        verdict = self.verdicts.get(entry.id)
        kinds = verdict.kinds if verdict else ()
        if wanted == KEPT:
            return verdict is not None and not kinds
        return bool(kinds) if wanted == DROPPED else wanted in kinds

    def _reason(self, entry: Entry) -> str:
        return self.verdicts[entry.id].reason if entry.id in self.verdicts else ""

    def _text(self, entry: Entry) -> str:
        return f"{entry.prompt} {entry.id} {self.flags.get(entry.id, '')} {self._reason(entry)}".lower()

    def picture(self, entry: Entry, look: Look | None = None, masks: bool = True) -> Image.Image:
        """The image of an entry, small ones enlarged, with its mask and legend or without."""
        pair = StoredPair(self.rows[entry.index], self.rows.home, len(self.class_names))
        if not masks:
            return enlarged(pair.image)
        return large_overlay(pair.image, pair.mask, self.class_names, look or Look())

    def caption(self, entry: Entry) -> str:
        mark = f"flagged {self.flags[entry.id]} · ".replace("  ", " ") if entry.id in self.flags else ""
        why = f"dropped: {reason} · " if (reason := self._reason(entry)) else ""
        return f"{mark}{why}{entry.id} · {entry.quality:.3f} · {entry.prompt}"

    def flag(self, entry: Entry, why: str) -> Path:
        """Flag a pair, and keep all flags in a table beside the dataset. Returns that table's path."""
        return self._keep({**self.flags, entry.id: " ".join(why.split())})

    def unflag(self, entry: Entry) -> Path:
        return self._keep({own: why for own, why in self.flags.items() if own != entry.id})

    def _keep(self, flags: dict[str, str]) -> Path:
        file = flags_file(self.path)
        write_flags(flags, file)
        self.flags.clear()
        self.flags.update(flags)
        return file


def _entry(index: int, row: dict[str, Any], features: Any) -> Entry:
    name = str(row.get("id") or f"row {index}")
    classes = tuple(named_classes(row, features, name))
    return Entry(index, name, row.get("prompt") or "", classes, quality_of(row, name))


def _verdicts(data: Path, filtered: str) -> dict[str, Verdict]:
    """Of the folder that a filter made, or of the dataset itself where that is one."""
    table = Path(filtered or data) / FILTER_TABLE
    if filtered and not table.is_file():
        raise FileNotFoundError(
            f"{filtered} holds no {FILTER_TABLE}: name a folder that attnmask filter made"
        )
    return {own.id: own for own in verdicts_of(table)} if table.is_file() else {}
