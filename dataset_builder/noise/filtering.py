"""What every pair is judged by, and the table of what went and why."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from dataset_builder.noise.coverage import class_coverage
from dataset_builder.noise.folds import Train, held_out_scores
from dataset_builder.noise.prune import Judged
from train_segmenter.data import Source

COLUMNS = (
    *("id", "kept", "reason", "quality", "iou", "coverage", "clip"),
    *("agreement", "duplicate_of", "answers"),
)


def judge(source: Source, folds: int, seed: int, train: Train) -> list[Judged]:
    """Every pair of the source by what held-out segmenters say of it, in the source's order."""
    scores = dict(held_out_scores(source, folds, seed, train))
    return [judged_pair(source, index, scores[index]) for index in range(len(source))]


def judged_pair(source: Source, index: int, scores: Mapping[int, float]) -> Judged:
    """A pair by its IoU, by class id, with a prediction that has not seen it."""
    sample, names = source[index], source.class_names
    return Judged(sample.name, named(scores, names), named(class_coverage(sample.mask, names), names))


def write_table(pairs: Iterable[Judged], reasons: Iterable[str], stream: TextIO) -> None:
    """CSV of every pair: whether it stays, why not, and what it was judged by."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for pair, reason in zip(pairs, reasons, strict=True):
        writer.writerow(
            [
                pair.id,
                "no" if reason else "yes",
                reason,
                f"{pair.quality:.4f}",
                _shown(pair.scores),
                _shown(pair.coverage),
                "" if pair.clip is None else f"{pair.clip:.4f}",
                _shown(pair.agreement),
                pair.duplicate_of or "",
                _shown(pair.answers),
            ]
        )


def named(values: Mapping[int, float], names: Sequence[str]) -> dict[str, float]:
    """Values by class id as values by class name."""
    return {names[class_id]: value for class_id, value in values.items()}


def _shown(values: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:.4f}" for name, value in values.items())
