"""Average precision as COCO counts it, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from diffusers_attnmask.ground.instances import Instances
from train_segmenter.models.object_queries import FoundObjects


class MaskPrecision:
    """Objects that were found and those that are there, gathered over pictures as run lengths."""

    def __init__(self) -> None:
        self.images: list[dict[str, int]] = []
        self.truth: list[dict[str, Any]] = []
        self.found: list[dict[str, Any]] = []

    def add(self, found: FoundObjects, truth: Instances) -> None:
        """The objects of one picture."""
        height, width = truth.ids.shape
        image = len(self.images) + 1
        self.images.append({"id": image, "height": height, "width": width})
        masks = found.masks.cpu().numpy()
        for pixels, label, score in zip(masks, found.classes.tolist(), found.scores.tolist(), strict=True):
            entry = {"category_id": label, "segmentation": run_lengths(pixels), "score": score}
            self.found.append({"image_id": image, **entry})
        for own in truth:
            entry = {"category_id": own.class_id, "segmentation": run_lengths(truth.ids == own.id)}
            facts = {"area": own.area, "bbox": list(own.box), "iscrowd": 0, "id": len(self.truth) + 1}
            self.truth.append({"image_id": image, **entry, **facts})

    def scores(self) -> tuple[float, float]:
        """AP over IoU from 0.5 to 0.95, and AP at 0.5; NaN where there is no object."""
        return average_precision(self.images, self.truth, self.found, "segm")


def average_precision(
    images: Sequence[Mapping[str, Any]],
    truth: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    kind: Literal["segm", "bbox"],
) -> tuple[float, float]:
    """AP over IoU from 0.5 to 0.95, and AP at 0.5; NaN where there is no object.

    The arguments are COCO's images, its annotations, and its results, of masks or of boxes.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not truth:
        return float("nan"), float("nan")
    if not found:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # it prints, and writes into what it gets
        known = COCO()
        known.dataset = {
            "images": images,
            "annotations": [dict(own) for own in truth],
            "categories": [{"id": own} for own in sorted({own["category_id"] for own in truth})],
        }
        known.createIndex()
        judged = COCOeval(known, known.loadRes([dict(own) for own in found]), kind)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return float(judged.stats[0]), float(judged.stats[1])


def run_lengths(pixels: np.ndarray) -> dict[str, Any]:
    from pycocotools import mask as official

    return official.encode(np.asfortranarray(pixels, np.uint8))
