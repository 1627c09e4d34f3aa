"""Words for what is in a picture and for what is not, and how well their scores tell the two apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from benchmarks.world.scenes import Scene
from tiny_world import CLASSES

UNKNOWN = "dog"  # to the world
THERE, ABSENT = 0.01, 0.002  # shares of a picture


@dataclass
class PresenceScores:
    """Of words that are there, of the world's words that are not, and of the unknown one."""

    there: list[float] = field(default_factory=list)
    absent: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)

    def add(self, words: Sequence[str], presence: torch.Tensor, shares: Mapping[str, float]) -> None:
        """Of one picture; shares: of it, by the world's classes."""
        for word, value in zip(words, presence.tolist(), strict=True):
            if word == UNKNOWN:
                self.unknown.append(value)
            elif shares[word] >= THERE:
                self.there.append(value)
            elif shares[word] < ABSENT:
                self.absent.append(value)

    def row(self) -> dict[str, Any]:
        nothing = [*self.absent, *self.unknown]
        return {
            "AUC": auc(self.there, nothing),
            "AUC, world's words": auc(self.there, self.absent),
            f"AUC, {UNKNOWN!r}": auc(self.there, self.unknown),
            "there": float(np.mean(np.array(self.there) >= 0.5)),
            "absent": float(np.mean(np.array(nothing) < 0.5)),
            "words": f"{len(self.there)} + {len(nothing)}",
        }


def auc(there: Sequence[float], absent: Sequence[float]) -> float:
    """Area under the ROC curve, by the Mann-Whitney statistic."""
    return float(mannwhitneyu(there, absent).statistic) / (len(there) * len(absent))


def asked_words(scenes: Sequence[Scene]) -> Iterator[list[str]]:
    """The words for each scene: its classes, one that it lacks, and the unknown one."""
    for scene in scenes:
        others = [name for name in CLASSES if name not in scene.classes]
        yield [*scene.classes, others[scene.seed % len(others)], UNKNOWN]


def shares_of(mask: np.ndarray) -> dict[str, float]:
    """Of the picture, by class; mask: ids of the world (H, W)."""
    return {name: float((mask == number).mean()) for number, name in enumerate(CLASSES, 1)}
