"""What the page shows: counts over all pairs, and a few pairs as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_builder.building.manifest import Manifest
from dataset_builder.dataset_folder import FILTER_TABLE
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.spans import Span
from dataset_builder.engine.workers import Workers, working
from dataset_builder.hub.dataset_summary import DatasetSummary, summary_without_rows
from dataset_builder.noise.reasons import verdicts_of
from dataset_builder.report.about import About, about
from dataset_builder.report.prompt_statistics import PromptStatistics
from dataset_builder.report.shown import Shown
from dataset_builder.report.stage import Counted, ReportStage, Stretch
from diffusers_attnmask.ground.bars import moving_bar
from diffusers_attnmask.ground.options import Whole, options
from train_segmenter.data.split_parts import Part


@options
class ReportOptions:
    """gallery: pairs spread over the dataset; extremes: of the best, and of the worst; removed: listed.
    allow_outside: read files, too, that the data name outside of their folder."""

    gallery: Whole = 48
    extremes: Whole = 8
    removed: Whole = 200
    allow_outside: bool = False
    progress: bool = True


@dataclass(frozen=True)
class Removed:
    """A pair that is not in the dataset, and why. classes: of a pair that a filter dropped."""

    id: str
    prompt: str
    reason: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collected:
    """coverage: pairs per bin of the share that all classes cover. class_coverage: mean share by name."""

    facts: DatasetSummary
    about: About
    pairs: int
    coverage: list[int]
    class_coverage: dict[str, float]
    gallery: list[Shown]
    best: list[Shown]
    worst: list[Shown]
    removed: list[Removed]
    removed_count: int
    prompts: PromptStatistics


def collect(
    folder: Path, options: ReportOptions, parts: Sequence[Part] = (), engine: EngineOptions | None = None
) -> Collected:
    """From all pairs, or from those of the parts, of which nothing is known that was left out."""
    facts = summary_without_rows(folder, outside=options.allow_outside)
    stage = ReportStage(folder, parts, facts, options.allow_outside, options.extremes)
    with working(stage, engine or EngineOptions()) as workers:
        counted = _counted(stage, workers, options.progress)
        spread = np.linspace(0, counted.pairs - 1, min(options.gallery, counted.pairs)).astype(int).tolist()
        best, worst = ([place for _, place in own] for own in (counted.best, counted.worst))
        shown = dict(workers.results(ReportStage.shown, _each(stage, {*spread, *best, *worst})))
    facts, means = facts.with_rows(counted.rows, parts), counted.class_coverage
    removed, removed_count = ([], 0) if parts else removed_pairs(folder, options.removed)
    return Collected(
        facts,
        about(folder, facts, outside=options.allow_outside),
        counted.pairs,
        counted.coverage,
        {name: means[name] for name in facts.class_names if name in means},
        [shown[place] for place in dict.fromkeys(spread)],
        [shown[place] for place in best],
        [shown[place] for place in worst],
        removed,
        removed_count,
        counted.prompts,
    )


def _counted(stage: ReportStage, workers: Workers[ReportStage], progress: bool) -> Counted:
    counted, total = Counted(), sum(len(own.rows) for own in stage.stretches())
    with moving_bar("reading pairs", total, shown=progress, passing=True) as bar:
        for own in workers.results(ReportStage.counted, stage.stretches()):
            counted.add(own, stage.extremes)
            bar.update(own.pairs)
    return counted


def _each(stage: ReportStage, places: Set[int]) -> Iterator[Stretch]:
    """The pairs at these places, each for itself."""
    for stretch in stage.stretches():
        for place in range(stretch.first, stretch.first + len(stretch.rows)):
            if place in places:
                number = stretch.rows.start + place - stretch.first
                yield Stretch(Span(stretch.rows.split, number, number + 1), place)


def removed_pairs(folder: Path, limit: int) -> tuple[list[Removed], int]:
    """Pairs that the build skipped or the filter dropped: at most `limit` of them, and how many there are."""
    removed, total = [], 0
    manifest = Manifest.read(folder)
    if manifest is not None and manifest.tally is not None:
        total += sum(manifest.tally.skipped.values())
        removed += [
            Removed(str(own["index"]), own["prompt"], f"{own['reason']}: {own['detail']}")
            for own in manifest.tally.examples
        ]
    table = folder / FILTER_TABLE
    if table.is_file():
        for own in verdicts_of(table):
            total += bool(own.reason)
            if own.reason and len(removed) < limit:
                removed.append(Removed(own.id, "", own.reason, own.classes))
    return removed[:limit], total
