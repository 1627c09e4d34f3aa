"""Every pair of a dataset read once by workers, before hours of work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TypeVar

from dataset_builder.engine.spans import Span, spans
from dataset_builder.engine.workers import Workers
from diffusers_attnmask.ground.bars import moving_bar
from train_segmenter.data.check import refuse

Stage = TypeVar("Stage")


def refuse_faults(
    workers: Workers[Stage],
    faults: Callable[[Stage, Span], tuple[Span, list[tuple[int, Exception]]]],
    lengths: Mapping[str, int],
    progress: bool,
) -> None:
    """Raise what is wrong with pairs of splits, of which a stage tells by number, in their order."""
    found: dict[str, list[tuple[int, Exception]]] = {split: [] for split in lengths}
    total = sum(lengths.values())
    with moving_bar("checking pairs", total, shown=progress, passing=True) as bar:
        for span, own in workers.results(faults, spans(lengths)):
            found[span.split] += own
            bar.update(len(span))
    refuse([fault for own in found.values() for _, fault in sorted(own, key=itemgetter(0))], total)
