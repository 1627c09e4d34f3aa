"""Which pairs go, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import Field

from dataset_builder.noise.coverage import CoverageBounds
from dataset_builder.noise.scores import quality
from diffusers_attnmask.ground.options import Fault, OptionsError, Share, options

ANY_COVERAGE = CoverageBounds(0, 1)
# Of benchmarks/label_noise.py: low enough to spare hard but right masks, high enough for wrong ones.
DEFAULT_THRESHOLD = 0.1


@options
class PruneOptions:
    """A pair goes if one of its classes scores below the class's threshold, or lies outside of the class's
    best `keep_fraction` (which then replaces the thresholds), or covers too little or too much of the image;
    or if the image resembles its prompt less than `least_clip`. Thresholds are by class name, with "default"
    for the others."""

    thresholds: Mapping[str, Share] = field(default_factory=lambda: {"default": DEFAULT_THRESHOLD})
    keep_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    coverage: CoverageBounds = ANY_COVERAGE
    class_coverage: Mapping[str, CoverageBounds] = field(default_factory=dict)
    least_clip: Annotated[float, Field(ge=-1, le=1)] | None = None

    def __post_init__(self) -> None:
        if "default" not in self.thresholds:
            raise OptionsError([Fault("thresholds", ": give one under the name 'default', too")])


@dataclass(frozen=True)
class Judged:
    """What is known of a pair: IoU against held-out predictions and share of the image, by class name."""

    id: str
    scores: Mapping[str, float]
    coverage: Mapping[str, float]
    clip: float | None = None

    @property
    def quality(self) -> float:
        return quality(self.scores)


def prune(pairs: Sequence[Judged], options: PruneOptions) -> list[str]:
    """The reason why each pair goes, or "" where it stays."""
    least = _least_scores(pairs, options)
    return ["; ".join(_reasons(pair, least, options)) for pair in pairs]


def _reasons(pair: Judged, least: Mapping[str, float], options: PruneOptions) -> list[str]:
    reasons = [] if pair.coverage else ["the mask is empty"]
    for name, score in pair.scores.items():
        if score < least[name]:
            reasons.append(f"{name}: IoU {score:.3f} below {least[name]:.3f}")
    for name, share in pair.coverage.items():
        bounds = options.class_coverage.get(name, options.coverage)
        if not bounds.allow(share):
            reasons.append(f"{name}: covers {share:.1%}, not {bounds.low:.0%} to {bounds.high:.0%}")
    if options.least_clip is not None and pair.clip is not None and pair.clip < options.least_clip:
        reasons.append(f"CLIP score {pair.clip:.3f} below {options.least_clip:.3f}")
    return reasons


def _least_scores(pairs: Sequence[Judged], options: PruneOptions) -> dict[str, float]:
    """The least score that each class needs."""
    by_class: dict[str, list[float]] = {}
    for pair in pairs:
        for name, score in pair.scores.items():
            by_class.setdefault(name, []).append(score)
    if options.keep_fraction is None:
        return {name: options.thresholds.get(name, options.thresholds["default"]) for name in by_class}
    kept = {name: max(1, round(options.keep_fraction * len(scores))) for name, scores in by_class.items()}
    return {name: float(np.sort(scores)[-kept[name]]) for name, scores in by_class.items()}
