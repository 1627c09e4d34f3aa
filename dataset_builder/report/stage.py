"""What workers do for the page: count pairs, and show some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dataset_builder.dataset_folder import StoredPair, chosen_numbers, quality_of, split_files
from dataset_builder.engine.spans import Span
from dataset_builder.engine.workers import OpenedAnew
from dataset_builder.hub.dataset_summary import DatasetSummary, RowSums
from dataset_builder.report.prompt_statistics import PromptStatistics
from dataset_builder.report.shown import Shown, class_shares, shown
from dataset_builder.row_groups import RowGroup, read_between, row_groups, shared
from train_segmenter.data.home import Home
from train_segmenter.data.split_parts import Part

COVERAGE_BINS = 10
SHARE = 1 << 48  # the share of a whole image, in whole numbers, whose sum is the same in any order


@dataclass(frozen=True)
class Stretch:
    """Rows that stand together in a file, and the place of the first of them among all that are counted."""

    rows: Span
    first: int


@dataclass
class Counted:
    """Sums of pairs, which do not depend on who counted which of them.

    coverage: pairs per bin of the share that all classes cover. shares, seen: by class name, the sum of
    shares and how many pairs. best, worst: quality and place of the pairs where it is highest and lowest.
    """

    pairs: int = 0
    rows: RowSums = field(default_factory=RowSums)
    coverage: list[int] = field(default_factory=lambda: [0] * COVERAGE_BINS)
    shares: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    best: list[tuple[float, int]] = field(default_factory=list)
    worst: list[tuple[float, int]] = field(default_factory=list)
    prompts: PromptStatistics = field(default_factory=PromptStatistics)

    def add(self, other: Counted, extremes: int) -> None:
        self.pairs += other.pairs
        self.rows.merge(other.rows)
        self.coverage = [own + more for own, more in zip(self.coverage, other.coverage, strict=True)]
        self.shares.update(other.shares)
        self.seen.update(other.seen)
        self.prompts.merge(other.prompts)
        self.best = highest([*self.best, *other.best], extremes)
        self.worst = lowest([*self.worst, *other.worst], extremes)

    @property
    def class_coverage(self) -> dict[str, float]:
        """The mean share of each class where it occurs."""
        return {name: self.shares[name] / SHARE / count for name, count in self.seen.items()}


def highest(found: Iterable[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    """Of values with their places, the highest first, and of equal ones the first.

    >>> highest([(0.4, 0), (0.9, 1), (0.1, 2), (0.9, 3)], 3)
    [(0.9, 1), (0.9, 3), (0.4, 0)]
    """
    return sorted(found, key=lambda own: (-own[0], own[1]))[:most]


def lowest(found: Iterable[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    """
    >>> lowest([(0.4, 0), (0.9, 1), (0.1, 2), (0.1, 3)], 3)
    [(0.1, 2), (0.1, 3), (0.4, 0)]
    """
    return sorted(found)[:most]


@dataclass(frozen=True)
class ReportStage(OpenedAnew):
    """A dataset folder, or parts of it, and what is known of it but for its rows."""

    folder: Path
    parts: Sequence[Part]
    facts: DatasetSummary
    outside: bool
    extremes: int

    @cached_property
    def groups(self) -> dict[str, list[RowGroup]]:
        files = split_files(self.folder, outside=self.outside)
        return {split: row_groups(own) for split, own in files.items()}

    @cached_property
    def home(self) -> Home:
        return Home(self.folder, self.outside)

    def stretches(self) -> Iterator[Stretch]:
        """All rows of the page, in order."""
        first, files = 0, split_files(self.folder, outside=self.outside)
        for split, numbers in chosen_numbers(self.folder, files, self.parts):
            for group in self.groups[split]:
                if rows := shared(group, numbers):
                    yield Stretch(Span(split, rows.start, rows.stop), first)
                    first += len(rows)

    def pairs(self, rows: Span) -> Iterator[StoredPair]:
        for row in read_between(self.groups[rows.split], rows.numbers):
            yield StoredPair(row, self.home, len(self.facts.class_names))

    def counted(self, stretch: Stretch) -> Counted:
        counted, names, qualities = Counted(), self.facts.class_names, []
        for place, pair in enumerate(self.pairs(stretch.rows), start=stretch.first):
            counted.rows.add(pair.row, self.facts.features, place)
            present = class_shares(pair.mask)
            if self.facts.background:
                present.pop(0, None)
            counted.pairs += 1
            counted.prompts.add(pair.row.get("prompt") or "", len(pair.row["classes"] or ()))
            covered = sum(present.values())
            counted.coverage[min(int(covered * COVERAGE_BINS), COVERAGE_BINS - 1)] += 1
            for own, share in present.items():
                counted.shares[names[own]] += round(share * SHARE)
                counted.seen[names[own]] += 1
            qualities.append((quality_of(pair.row, pair.name), place))
        counted.best, counted.worst = highest(qualities, self.extremes), lowest(qualities, self.extremes)
        return counted

    def shown(self, one: Stretch) -> tuple[int, Shown]:
        (pair,) = self.pairs(one.rows)
        return one.first, shown(pair, self.facts)
