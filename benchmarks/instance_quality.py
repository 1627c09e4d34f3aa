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

import json as json_format
from collections.abc import Iterator
from typing import Annotated

import torch
import typer
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.world.exact_objects import ObjectScene, as_the_truth_says, as_world, object_scenes
from benchmarks.world.object_scores import ObjectScore
from benchmarks.world.sampling import SplitOption, quiet_pipeline
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.ground.instances import Instances
from diffusers_attnmask.instances.options import InstanceOptions

BOUND = "bound"
TITLES = {False: "all different", True: "two of one class"}


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
    ways = {text: parsed_way(text) for text in way or ["components", "attention"]}
    rows = []
    for twins, title in TITLES.items():
        scores = {text: ObjectScore() for text in (*ways, BOUND)}
        for scene in tqdm(object_scenes(pictures // 2, split, twins), total=pictures // 2, desc=title):
            for text, found in told_apart(pipe, scene, ways, strength):
                scores[text].add(found, scene.objects)
        rows += [{"objects": title, "way": text, **score.row()} for text, score in scores.items()]
    settings = {"pictures": pictures, "split": split, "strength": strength}
    report("Objects against exact ones", rows, settings, json)


def told_apart(
    pipe: DiffuMaskPipeline, scene: ObjectScene, ways: dict[str, InstanceOptions], strength: float
) -> Iterator[tuple[str, Instances]]:
    """The objects that each way finds, and those of the same class masks as the truth says."""
    for text, options in ways.items():
        out = pipe.segment(
            scene.image,
            scene.caption,
            scene.classes,
            strength=strength,
            instances=options,
            generator=torch.Generator().manual_seed(scene.seed),
        )
        mask, maps = out.ids(0), out.heatmaps[0].numpy()
        yield text, as_world(out.instances[0], mask, scene, maps)
    yield BOUND, as_world(as_the_truth_says(mask, scene), mask, scene, maps)


def parsed_way(text: str) -> InstanceOptions:
    return InstanceOptions(**json_format.loads(text)) if text.startswith("{") else InstanceOptions(by=text)


if __name__ == "__main__":
    typer.run(main)
