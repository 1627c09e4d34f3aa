"""All that is known of the pairs, made by workers and read from the disk, so that memory does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from heapq import merge
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from dataset_builder.engine.kept_parts import KeptParts
from dataset_builder.engine.spans import spans
from dataset_builder.engine.workers import Workers
from dataset_builder.noise.options import judges_of
from dataset_builder.noise.prune import Judged
from dataset_builder.noise.stage import INDEX, FilterStage
from dataset_builder.noise.witnesses import HASH, Witnesses, likes
from dataset_builder.origin import identity_of
from diffusers_attnmask.ground.bars import moving_bar


@dataclass(frozen=True)
class JudgedPairs:
    """Pairs in their order, each by what witnesses say of it and by the judge that has not seen it.

    testimony and scores: read the entries of all pairs. earlier: of a pair that shows almost the picture of
    an earlier one, which that is. name: of a pair.
    """

    testimony: Callable[[], Iterator[dict[str, Any]]]
    scores: Callable[[], Iterator[dict[str, Any]]]
    earlier: Mapping[int, int]
    name: Callable[[int], str]

    def __iter__(self) -> Iterator[Judged]:
        for said, judged in zip(self.testimony(), self.scores(), strict=True):
            said.pop(HASH, None)
            earlier = self.earlier.get(judged.pop(INDEX))
            like = None if earlier is None else self.name(earlier)
            yield Judged(**judged | said | {"duplicate_of": like})


def judged_pairs(
    stage: FilterStage, work: Path, workers: Workers[FilterStage], progress: bool
) -> JudgedPairs:
    """Witnesses are asked before judges are trained, for hours perhaps."""
    testimony = _testimony(stage, work, workers, progress)
    most = stage.run.prune.duplicates
    earlier = {} if most is None else likes((said[HASH] for said in testimony()), most)
    return JudgedPairs(testimony, _scores(stage, work, workers, progress), earlier, stage.source.name)


def _testimony(
    stage: FilterStage, work: Path, workers: Workers[FilterStage], progress: bool
) -> Callable[[], Iterator[dict[str, Any]]]:
    run, count = stage.run, len(stage.source)
    if not run.asks_witnesses(run.prune):
        return lambda: ({} for _ in range(count))
    asked = {own.name: getattr(run, own.name) for own in fields(Witnesses)} | {"seed": run.seed}
    identity = identity_of("testimony", stage.data, asked | {"hashes": run.prune.duplicates is not None})
    parts, every = KeptParts(work, "testimony", identity), list(spans({"pairs": count}))
    with moving_bar("asking witnesses", count, shown=progress) as bar:
        parts.make(workers, FilterStage.testimony, every, bar.update)
    return lambda: parts.entries(every)


def _scores(
    stage: FilterStage, work: Path, workers: Workers[FilterStage], progress: bool
) -> Callable[[], Iterator[dict[str, Any]]]:
    run, folds = stage.run, [list(spans({str(fold): len(own)})) for fold, own in enumerate(stage.folds)]
    judges = judges_of(run)
    asked = {name: getattr(run, name) for name in ("pretrained", "folds", "seed", "scale")}
    trained = {"model": judges.model, "options": judges.model_options, "training": judges.training.to_dict()}
    identity = identity_of("scores", stage.data, asked | trained)
    parts = KeptParts(work, "scores", identity)
    with moving_bar("segmenters", run.folds, unit="fold", shown=progress) as bar:
        for _ in workers.results(FilterStage.train, range(run.folds)):
            bar.update()
    with moving_bar("judging", len(stage.source), shown=progress) as bar:
        parts.make(workers, FilterStage.scored, chain.from_iterable(folds), bar.update)
    return lambda: _in_order(parts.entries(own) for own in folds)


def _in_order(folds: Iterable[Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The entries of all folds, each of which has its own in the order of the pairs."""
    return merge(*folds, key=itemgetter(INDEX))
