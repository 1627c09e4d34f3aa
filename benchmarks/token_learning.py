"""What learning a class from one annotated picture gains: OVAM's masks by words and by learned embeddings.

    python -m benchmarks.token_learning --prompts 128 --json token_learning.json

Of eight generations of each class, from the training split, that on which the oracle sees most of it gives an
embedding, with the oracle's mask as annotation. Words and embeddings are then read from the same unseen
generations of one object and compared with the oracle. Columns are those of `mask_quality.py`.
"""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import numpy as np
import torch
import typer
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.world.mask_scores import Score
from benchmarks.world.sampled_masks import Reading, generations, read
from benchmarks.world.sampling import (
    BatchOption,
    GuidanceOption,
    ModelOption,
    StepsOption,
    quiet_pipeline,
)
from benchmarks.world.scenes import Scene, scenes, unseen_scenes, world_ids
from diffusers_attnmask import DiffuMaskPipeline, TokenEmbedding, optimize_tokens, trace
from diffusers_attnmask.methods import Ovam
from tiny_world import CLASSES
from tiny_world.judge import judge
from tiny_world.rendered_pairs import SPLIT_SEEDS


def main(
    prompts: Annotated[int, typer.Option(min=1, help="Unseen generations that judge.")] = 128,
    candidates: Annotated[
        int, typer.Option(min=1, help="Generations of a class, of which one is annotated.")
    ] = 8,
    learning_steps: Annotated[int, typer.Option(min=1, help="Of each embedding.")] = 200,
    learning_rate: Annotated[float, typer.Option()] = 0.05,
    steps: StepsOption = 20,
    guidance: GuidanceOption = 3.0,
    batch: BatchOption = 16,
    model: ModelOption = None,
    json: JsonOption = None,
) -> None:
    pipe = quiet_pipeline(model)
    sampling = {"num_inference_steps": steps, "guidance_scale": guidance}
    learning = {"steps": learning_steps, "lr": learning_rate}
    learned = {
        name: learned_from_one(pipe, name, candidates, sampling, learning)
        for name in tqdm(CLASSES, "learning")
    }
    scores = {"words": Score(), "learned": Score()}
    chosen = unseen_scenes(1, prompts)
    for start in tqdm(range(0, len(chosen), batch), "judging"):
        part = chosen[start : start + batch]
        classes = {
            "words": [list(scene.classes) for scene in part],
            "learned": [[{name: learned[name]} for name in scene.classes] for scene in part],
        }
        images, readings = both_readings(pipe, part, classes, sampling)
        for index, (scene, truth) in enumerate(zip(part, judge(images), strict=True)):
            for kind, score in scores.items():
                score.add(*readings[kind][index], truth, world_ids(scene.classes))
    rows = [{"ovam reads": kind, **score.columns("automatic")} for kind, score in scores.items()]
    settings = {"prompts": prompts, **sampling, "learning steps": learning_steps, "lr": learning_rate}
    report("Words and learned embeddings, against the oracle", rows, settings, json)


def learned_from_one(
    pipe: DiffuMaskPipeline, name: str, candidates: int, sampling: dict, learning: dict
) -> TokenEmbedding:
    """The class's embedding, from that of its first generations on which the oracle sees most of it."""
    alone = scenes(SPLIT_SEEDS["train"], lambda scene: scene.classes == (name,))
    first = list(islice(alone, candidates))
    masks = judge(generations(pipe, first, sampling)) == CLASSES.index(name) + 1
    seen = int(masks.mean((1, 2)).argmax())
    scene, generator = first[seen], torch.Generator().manual_seed(first[seen].seed)
    return optimize_tokens(
        pipe, scene.caption, masks[seen], name=name, generator=generator, **sampling, **learning
    )


def both_readings(
    pipe: DiffuMaskPipeline, part: list[Scene], classes: dict[str, list], sampling: dict
) -> tuple[np.ndarray, dict[str, list[Reading]]]:
    """Images uint8 (B, H, W, 3), and by kind what is read in each, from the same generations."""
    method = Ovam()
    with (
        trace(pipe, classes=classes["words"], methods=[method]) as words,
        trace(pipe, classes=classes["learned"], methods=[method]) as learned,
    ):
        images = generations(pipe, part, sampling)
    return images, {"words": read(words, method), "learned": read(learned, method)}


if __name__ == "__main__":
    typer.run(main)
