"""How well a model tells objects apart: mask AP and panoptic quality of one that does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.instances import described
from train_segmenter.data.base import Sample
from train_segmenter.data.segments import Task, segments_of
from train_segmenter.data.tables import thing_names
from train_segmenter.evaluation.coco_ap import MaskPrecision
from train_segmenter.evaluation.panoptic import PanopticTally
from train_segmenter.models.object_queries import FoundObjects, FoundSegments

TITLES = {"ap": "AP", "ap50": "AP50", "pq": "PQ", "pq_things": "PQ of things", "pq_stuff": "of the rest"}


@dataclass(frozen=True)
class ObjectScores:
    """COCO's mask AP over IoU from 0.5 to 0.95 and at 0.5; panoptic quality by class, and its means."""

    ap: float
    ap50: float
    quality: dict[str, float]
    things: tuple[str, ...]

    def to_dict(self) -> dict:
        """Plain values: `pq` over all classes that were judged, and over things and others alone."""
        others = [name for name in self.quality if name not in self.things]
        return {
            "ap": self.ap,
            "ap50": self.ap50,
            "pq": self.mean(list(self.quality)),
            "pq_things": self.mean(self.things),
            "pq_stuff": self.mean(others),
            "pq_by_class": self.quality,
        }

    def mean(self, names: Sequence[str]) -> float:
        """Over those that were there or were found."""
        values = np.array([self.quality[name] for name in names])
        judged = values[~np.isnan(values)]
        return float(judged.mean()) if judged.size else float("nan")

    def line(self) -> str:
        values = self.to_dict()
        told = [f"{title} {values[key]:.4f}" for key, title in TITLES.items() if not np.isnan(values[key])]
        return f"objects: {', '.join(told)}"


class ObjectTally:
    """Gathers the scores of a model of a task, "instance" or "panoptic"."""

    def __init__(self, class_names: Sequence[str], task: Task) -> None:
        self.class_names, self.task = tuple(class_names), task
        self.precision, self.panoptic = MaskPrecision(), PanopticTally(len(class_names))

    def add(self, objects: FoundObjects, segments: FoundSegments, sample: Sample) -> None:
        """What was found in a pair that tells its objects apart."""
        truth = segments_of(sample, self.class_names, self.task)
        void = truth.numbers == IGNORE_ID
        self.panoptic.add(
            segments.numbers.cpu().numpy(),
            segments.classes,
            np.where(void, 0, truth.numbers),
            list(truth.classes.values()),
            void,
        )
        assert sample.objects is not None  # or there would be no truth
        things = thing_names(self.class_names)
        counted = np.array([name in things for name in self.class_names] + [False] * 256)[sample.mask]
        self.precision.add(
            objects, described(np.where(counted, sample.objects, 0), sample.mask, self.class_names)
        )

    def scores(self) -> ObjectScores:
        ap, ap50 = self.precision.scores()
        quality = dict(zip(self.class_names, map(float, self.panoptic.quality()), strict=True))
        return ObjectScores(ap, ap50, quality, tuple(sorted(thing_names(self.class_names))))
