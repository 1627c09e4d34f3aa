"""How good masks are before refinement: every method against the oracle, on pictures of the bundled model.

    python -m benchmarks.mask_quality --prompts 512 --json mask_quality.json

Captions are those of unseen scenes, half of them with one object and half with two, or as `--objects` says.
All methods read the same generations. Numbers are intersection over union with the oracle, summed over
pictures and averaged over the eight classes; uncertain pixels (255) count as neither. They are of the
method's own masks, and, as `best fixed`, of those with the one threshold that suits all pictures best.
Columns with `all seen` leave out the pictures in which the oracle misses an object of the prompt. A method
takes options as JSON, and words for its row, so that variants compare; what is chosen by comparing is chosen
on captions of another split than those that judge it:

    python -m benchmarks.mask_quality --split validation --method 'daam (late)={"steps": [0.3, 1]}'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from tqdm import tqdm

from benchmarks.report import JsonOption, Row, over_seeds, report
from benchmarks.world.chosen_methods import chosen_methods
from benchmarks.world.mask_scores import Scores
from benchmarks.world.sampled_masks import sampled
from benchmarks.world.sampling import (
    BatchOption,
    CallOption,
    GuidanceOption,
    ModelOption,
    SplitOption,
    StepsOption,
    call_arguments,
    quiet_pipeline,
)
from benchmarks.world.scenes import Scene, unseen_scenes, world_ids
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.methods import MaskMethod
from tiny_world.judge import judge

SEEN = 0.01  # share of a picture that an object has when the oracle sees it
TITLES = {1: "one object", 2: "two objects", 3: "three objects"}


def main(
    prompts: Annotated[
        int, typer.Option(min=1, help="Generations, as many of each number of objects.")
    ] = 512,
    objects: Annotated[
        list[int] | None, typer.Option(min=1, max=3, help="In a picture. Repeatable; 1 and 2 by default.")
    ] = None,
    steps: StepsOption = 20,
    guidance: GuidanceOption = 3.0,
    batch: BatchOption = 16,
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method, or 'NAME (words)=JSON'. Repeatable; all that fit by default."),
    ] = None,
    split: SplitOption = "test",
    seeds: Annotated[int, typer.Option(min=1, help="Noises that every caption is sampled with.")] = 1,
    model: ModelOption = None,
    call: CallOption = "{}",
    json: JsonOption = None,
) -> None:
    """Score every method's masks against the oracle's view of the same pictures."""
    pipe = quiet_pipeline(model)
    methods = chosen_methods(pipe, method)
    arguments = {"num_inference_steps": steps, "guidance_scale": guidance, **call_arguments(call)}
    kinds = objects or [1, 2]
    runs = []
    for seed in range(seeds):
        rows: dict[str, dict[str, Any]] = {title: {"method": title} for title in methods}
        for kind in kinds:
            shown = unseen_scenes(kind, prompts // len(kinds), split)
            batches = [shown[start : start + batch] for start in range(0, len(shown), batch)]
            for title, columns in scored(pipe, batches, methods, arguments, seed, TITLES[kind]).items():
                rows[title] |= columns
        runs.append(list(rows.values()))
    settings = {"prompts": prompts, **arguments, "split": split, "seeds": seeds}
    settings["model"] = str(model or "bundled")
    report("Masks against the oracle, before refinement", over_seeds(runs), settings, json)


def scored(
    pipe: DiffuMaskPipeline,
    batches: Sequence[Sequence[Scene]],
    methods: Mapping[str, MaskMethod],
    settings: Mapping[str, Any],
    seed: int,
    title: str,
) -> dict[str, Row]:
    """The columns of each method, on the pictures of scenes with one number of objects."""
    scores = {name: Scores() for name in methods}
    seen = 0
    for part in tqdm(batches, desc=title):
        images, readings = sampled(pipe, part, list(methods.values()), settings, seed)
        for index, (scene, truth) in enumerate(zip(part, judge(images), strict=True)):
            ids = world_ids(scene.classes)
            complete = all((truth == own).mean() >= SEEN for own in ids[1 : len(scene.classes) + 1])
            seen += complete
            for score, reading in zip(scores.values(), readings, strict=True):
                for own in (score.every, score.seen) if complete else (score.every,):
                    own.add(*reading[index], truth, ids)
    share = {f"{title}, share all seen": seen / sum(map(len, batches))}
    return {name: {**score.columns(title), **share} for name, score in scores.items()}


if __name__ == "__main__":
    typer.run(main)
