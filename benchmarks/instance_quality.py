"""How well objects are told apart: against the renderer's exact ones, on rendered pictures.

    python -m benchmarks.instance_quality --pictures 256 --json instance_quality.json

Half of the pictures show one to three objects of different classes, the other half twins: two of one
class, every other time of one colour, some with a third object. Each is looked at by `pipe.segment` with its
own caption. PQ is panoptic quality over the eight classes, AP50 the average precision of boxes at an IoU of
0.5, as COCO has it. `bound` takes the same class masks apart as the truth says, which no way of doing so
exceeds. What is chosen by comparing is chosen on scenes of another split than those that judge it:

    python -m benchmarks.instance_quality --split validation --way '{"most_cut": 0.03}'
"""

from __future__ import annotations

import contextlib
import io
import json as json_format
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.world.sampling import SplitOption, quiet_pipeline
from benchmarks.world.scenes import world_ids
from diffusers_attnmask.ground.connected_parts import nearest
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.instances import Instances, countable, described
from diffusers_attnmask.instances.options import InstanceOptions
from tiny_world import CLASSES, render_objects
from tiny_world.rendered_pairs import SPLIT_SEEDS
from train_segmenter.evaluation.panoptic import PanopticTally

NAMES = (BACKGROUND, *CLASSES)
BOUND = "bound"


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
            facts = {"id": len(self.truth) + 1, "area": own.area, "iscrowd": 0}
            self.truth.append(
                {"image_id": image, "category_id": own.class_id, "bbox": list(own.box), **facts}
            )
        self.found += [
            {"image_id": image, "category_id": own.class_id, "bbox": list(own.box), "score": own.score}
            for own in found
        ]

    def ap50(self) -> float:
        categories = sorted({own["category_id"] for own in self.truth})
        with contextlib.redirect_stdout(io.StringIO()):
            known = COCO()
            known.dataset = {
                "images": self.images,
                "annotations": self.truth,
                "categories": [{"id": own} for own in categories],
            }
            known.createIndex()
            judged = COCOeval(known, known.loadRes(self.found), "bbox")
            judged.evaluate()
            judged.accumulate()
            judged.summarize()
        return float(judged.stats[1])


@dataclass
class Score:
    """One way of telling objects apart on some pictures."""

    panoptic: PanopticTally = field(default_factory=lambda: PanopticTally(len(NAMES)))
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


@dataclass(frozen=True)
class Scene:
    """A rendered picture, its caption, the classes in it by name, and its exact objects."""

    seed: int
    image: np.ndarray
    caption: str
    classes: list[str]
    objects: Instances


def scenes(count: int, split: str, twins: bool) -> Iterator[Scene]:
    for seed in SPLIT_SEEDS[split][:count]:
        image, mask, objects, caption, names = render_objects(seed, twins)
        yield Scene(seed, image, caption, list(dict.fromkeys(names)), described(objects, mask, NAMES))


def as_world(found: Instances, mask: np.ndarray, scene: Scene, heatmaps: np.ndarray) -> Instances:
    """The objects with the classes that the world numbers, and their scores."""
    told = described(found.ids, mask, [BACKGROUND, *scene.classes], heatmaps)
    in_world = described(found.ids, world_ids(scene.classes)[mask], NAMES)
    scored = zip(in_world, told, strict=True)
    return Instances(told.ids, tuple(replace(own, score=other.score) for own, other in scored))


def as_the_truth_says(mask: np.ndarray, scene: Scene) -> Instances:
    """The class mask (H, W), each pixel with the nearest of the exact objects of its class."""
    ids, numbers = world_ids(scene.classes), np.zeros(mask.shape, np.int32)
    for own in countable(mask):
        exact = [other.id for other in scene.objects if other.class_id == ids[own]]
        known = np.where(np.isin(scene.objects.ids, exact), scene.objects.ids, 0)
        numbers[mask == own] = nearest(known)[mask == own]
    return described(numbers, mask, [BACKGROUND, *scene.classes])


def parsed_way(text: str) -> InstanceOptions:
    return (
        InstanceOptions(by=text) if not text.startswith("{") else InstanceOptions(**json_format.loads(text))
    )


def main(
    pictures: Annotated[int, typer.Option(min=2, help="Half of different objects, half of twins.")] = 256,
    way: Annotated[
        list[str] | None,
        typer.Option(help="components, attention, or JSON of InstanceOptions. Repeatable; both by default."),
    ] = None,
    split: SplitOption = "test",
    strength: Annotated[float, typer.Option(help="Noise of the look at a picture.")] = 0.3,
    json: JsonOption = None,
) -> None:
    """Score the ways of telling objects apart against the exact objects of rendered pictures."""
    pipe = quiet_pipeline()
    ways = way or ["components", "attention"]
    rows = []
    for twins in (False, True):
        scores = {text: Score() for text in (*ways, BOUND)}
        for scene in tqdm(scenes(pictures // 2, split, twins), total=pictures // 2, desc=f"twins: {twins}"):
            for text in ways:
                out = pipe.segment(
                    scene.image,
                    scene.caption,
                    scene.classes,
                    strength=strength,
                    instances=parsed_way(text),
                    generator=torch.Generator().manual_seed(scene.seed),
                )
                mask, maps = out.ids(0), out.heatmaps[0].numpy()
                scores[text].add(as_world(out.instances[0], mask, scene, maps), scene.objects)
            scores[BOUND].add(as_world(as_the_truth_says(mask, scene), mask, scene, maps), scene.objects)
        title = "two of one class" if twins else "all different"
        rows += [{"objects": title, "way": text, **score.row()} for text, score in scores.items()]
    report(
        "Objects against exact ones", rows, {"pictures": pictures, "split": split, "strength": strength}, json
    )


if __name__ == "__main__":
    typer.run(main)
