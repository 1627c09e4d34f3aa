"""Masks against the oracle's: intersection over union, summed over pictures and averaged over the classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.methods.thresholds import label_above
from tiny_world import CLASSES

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass
class Overlap:
    """Pixels of intersection and union per class, summed over pictures; row 0 is the background."""

    both: np.ndarray = field(default_factory=lambda: np.zeros(len(CLASSES) + 1))
    either: np.ndarray = field(default_factory=lambda: np.zeros(len(CLASSES) + 1))
    uncertain: int = 0
    pixels: int = 0

    def add(self, mask: np.ndarray, truth: np.ndarray) -> None:
        """Ids of the world (H, W) and the oracle's."""
        certain = mask != IGNORE_ID
        self.uncertain += int((~certain).sum())
        self.pixels += mask.size
        for own in range(len(self.both)):
            ours, theirs = mask == own, (truth == own) & certain
            self.both[own] += (ours & theirs).sum()
            self.either[own] += (ours | theirs).sum()

    @property
    def iou(self) -> float:
        seen = self.either[1:] > 0
        return float((self.both[1:][seen] / self.either[1:][seen]).mean())

    @property
    def by_class(self) -> dict[str, float]:
        values = self.both[1:] / np.maximum(self.either[1:], 1)
        return dict(zip(CLASSES, values.tolist(), strict=True))

    @property
    def share_uncertain(self) -> float:
        return self.uncertain / self.pixels


@dataclass
class Score:
    """One method on some pictures: its automatic masks, and masks at every fixed threshold."""

    automatic: Overlap = field(default_factory=Overlap)
    fixed: dict[float, Overlap] = field(default_factory=lambda: {t: Overlap() for t in THRESHOLDS})

    def add(self, automatic: np.ndarray, heatmaps: torch.Tensor, truth: np.ndarray, ids: np.ndarray) -> None:
        """ids: what each id of this picture's masks is in the world, by index."""
        self.automatic.add(ids[automatic], truth)
        for threshold, overlap in self.fixed.items():
            mask = label_above(heatmaps, [threshold] * len(heatmaps)).numpy()
            overlap.add(ids[mask], truth)

    def columns(self, title: str) -> dict[str, object]:
        if not self.automatic.pixels:  # no such picture
            return {}
        best = max(self.fixed, key=lambda threshold: self.fixed[threshold].iou)
        return {
            title: self.automatic.iou,
            f"{title}, uncertain": self.automatic.share_uncertain,
            f"{title}, best fixed": self.fixed[best].iou,
            f"{title}, at": best,
        }


@dataclass
class Scores:
    """All pictures, and those in which the oracle sees every object of the prompt."""

    every: Score = field(default_factory=Score)
    seen: Score = field(default_factory=Score)

    def columns(self, title: str) -> dict[str, object]:
        return {**self.every.columns(title), **self.seen.columns(f"{title}, all seen")}
