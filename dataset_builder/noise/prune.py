"""Which pairs go, and why."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Annotated

import numpy as np
from pydantic import Field

from dataset_builder.noise.coverage import CoverageBounds
from dataset_builder.noise.duplicates import HASH_BITS
from dataset_builder.noise.scores import quality
from diffusers_attnmask.ground.options import Fault, OptionsError, Share, options

ANY_COVERAGE = CoverageBounds(0, 1)
# Of benchmarks/label_noise.py: low enough to spare hard but right masks, high enough for wrong ones.
DEFAULT_THRESHOLD = 0.1


@options
class PruneOptions:
    """A pair goes if one of its classes

    - scores below its threshold (by class name, "default" for the others), or is not within its best
      `keep_fraction`, which replaces the thresholds (of equal scores, the first are the better ones; none is
      where all are equal),
    - covers too little or too much of the image,
    - agrees less than `least_agreement` with the second labeller,
    - is there with less than `least_yes`, as a vision-language model sees it;

    or if the image resembles its prompt less than `least_clip`, or differs from an earlier one in at most
    `duplicates` of the 64 bits of their hashes.
    """

    thresholds: Mapping[str, Share] = field(default_factory=lambda: {"default": DEFAULT_THRESHOLD})
    keep_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    coverage: CoverageBounds = ANY_COVERAGE
    class_coverage: Mapping[str, CoverageBounds] = field(default_factory=dict)
    least_clip: Annotated[float, Field(ge=-1, le=1)] | None = None
    least_agreement: Share | None = None
    duplicates: Annotated[int, Field(ge=0, le=HASH_BITS)] | None = None
    least_yes: Share | None = None

    def __post_init__(self) -> None:
        if "default" not in self.thresholds:
            raise OptionsError([Fault("thresholds", ": give one under the name 'default', too")])
        if self.keep_fraction is not None and self.thresholds != {"default": DEFAULT_THRESHOLD}:
            raise OptionsError([Fault("keep_fraction", " replaces all thresholds: leave it or them out")])


@dataclass(frozen=True)
class Judged:
    """What is known of a pair: IoU against held-out predictions and share of the image, by class name.

    agreement: IoU with a second labeller, answers: a vision-language model's probability that the class is
    there, both by class name. duplicate_of: the earlier pair that has almost the same picture.
    """

    id: str
    scores: Mapping[str, float]
    coverage: Mapping[str, float]
    clip: float | None = None
    agreement: Mapping[str, float] = field(default_factory=dict)
    duplicate_of: str | None = None
    answers: Mapping[str, float] = field(default_factory=dict)

    @property
    def quality(self) -> float:
        return quality(self.scores)


def prune(pairs: Iterable[Judged], options: PruneOptions) -> list[str]:
    """The reason why each pair goes, or "" where it stays. The pairs are looked at twice."""
    bars = _bars(pairs, options)
    return ["; ".join(_reasons(pair, bars, options)) for pair in pairs]


@dataclass
class _Bar:
    """The least score that a class needs, and how many more pairs with just that score stay."""

    least: float
    room: float = inf

    def passed(self, score: float) -> bool:
        if score == self.least:
            self.room -= 1
        return score > self.least or (score == self.least and self.room >= 0)


def _reasons(pair: Judged, bars: Mapping[str, _Bar], options: PruneOptions) -> list[str]:
    reasons = [] if pair.coverage else ["the mask is empty"]
    for name, score in pair.scores.items():
        least = bars[name].least
        if not bars[name].passed(score):
            compared = f"below {least:.3f}" if score < least else "as enough others that stay"
            reasons.append(f"{name}: IoU {score:.3f} {compared}")
    for name, share in pair.coverage.items():
        bounds = options.class_coverage.get(name, options.coverage)
        if not bounds.allow(share):
            reasons.append(f"{name}: covers {share:.1%}, not {bounds.low:.0%} to {bounds.high:.0%}")
    if options.least_clip is not None and pair.clip is not None and pair.clip < options.least_clip:
        reasons.append(f"CLIP score {pair.clip:.3f} below {options.least_clip:.3f}")
    for name, score in pair.agreement.items():
        if options.least_agreement is not None and score < options.least_agreement:
            reasons.append(f"{name}: second labeller's IoU {score:.3f} below {options.least_agreement:.3f}")
    for name, yes in pair.answers.items():
        if options.least_yes is not None and yes < options.least_yes:
            reasons.append(f"{name}: is there with {yes:.3f}, below {options.least_yes:.3f}")
    if pair.duplicate_of is not None:
        reasons.append(f"almost the picture of {pair.duplicate_of}")
    return reasons


def _bars(pairs: Iterable[Judged], options: PruneOptions) -> dict[str, _Bar]:
    """What each class needs."""
    by_class: dict[str, array[float]] = defaultdict(lambda: array("d"))
    for pair in pairs:
        for name, score in pair.scores.items():
            by_class[name].append(score)
    if options.keep_fraction is None:
        return {name: _Bar(options.thresholds.get(name, options.thresholds["default"])) for name in by_class}
    return {name: _bar_of_best(np.sort(scores), options.keep_fraction) for name, scores in by_class.items()}


def _bar_of_best(scores: np.ndarray, share: float) -> _Bar:
    """What the best share of sorted scores reach."""
    kept = max(1, round(share * len(scores)))
    least = float(scores[-kept])
    if scores[0] == scores[-1]:
        return _Bar(least)
    return _Bar(least, kept - int((scores > least).sum()))
