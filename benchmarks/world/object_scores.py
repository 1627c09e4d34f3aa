"""How well objects are told apart: panoptic quality, and the average precision of their boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusers_attnmask.ground.instances import Instances
from tiny_world.oracle import CLASS_NAMES
from train_segmenter.evaluation.coco_ap import average_precision
from train_segmenter.evaluation.panoptic import PanopticTally


@dataclass
class Boxes:
    """Boxes that were found and that are there, gathered for pycocotools."""

    images: list[dict[str, Any]] = field(default_factory=list)
    truth: list[dict[str, Any]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: Instances, truth: Instances) -> None:
        image = len(self.images) + 1
        height, width = truth.ids.shape
        self.images.append({"id": image, "height": height, "width": width})
        for own in truth:
            entry = {"image_id": image, "category_id": own.class_id, "bbox": list(own.box)}
            self.truth.append({**entry, "id": len(self.truth) + 1, "area": own.area, "iscrowd": 0})
        for own in found:
            entry = {"image_id": image, "category_id": own.class_id, "bbox": list(own.box)}
            self.found.append({**entry, "score": own.score})

    def ap50(self) -> float:
        return average_precision(self.images, self.truth, self.found, "bbox")[1]


@dataclass
class ObjectScore:
    """One way of telling objects apart on some pictures."""

    panoptic: PanopticTally = field(default_factory=lambda: PanopticTally(len(CLASS_NAMES)))
    boxes: Boxes = field(default_factory=Boxes)

    def add(self, found: Instances, truth: Instances) -> None:
        """The objects of a picture, by their classes in the world."""
        self.boxes.add(found, truth)
        self.panoptic.add(
            found.ids.astype(int),
            [own.class_id for own in found],
            truth.ids.astype(int),
            [own.class_id for own in truth],
            np.zeros(truth.ids.shape, bool),
        )

    def row(self) -> dict[str, float]:
        quality = self.panoptic.quality()[1:]
        return {"PQ": float(np.nanmean(quality)), "box AP50": self.boxes.ap50()}
