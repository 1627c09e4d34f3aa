"""Whether presence scores tell words for what is in a picture from words for what is not.

    python -m benchmarks.presence --prompts 64 --json presence.json

Captions are those of unseen scenes, half of them with one object and half with two. Every picture is asked
for the classes of its caption, for one of the world's other classes, and for a word that the world does not
have. A class is there where the oracle sees it in a hundredth of the picture, and absent where it sees less
than a five-hundredth; what lies between counts as neither. `sampled`: read while the picture is made from its
caption, by the method that takes any words. `looked at`: by `segment`, whose prompt names all that is asked
for. AUC is the chance that a word that is there scores above one that is not; `there` and `absent` are the
shares on the right side of one half. Weights are fitted on captions of the validation split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.world.sampled_masks import generations
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
from benchmarks.world.scenes import Scene, unseen_scenes
from benchmarks.world.word_presence import PresenceScores, asked_words, shares_of
from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking.segmenting import denoise_once, encoded_images
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import MaskMethod
from tiny_world.captions import join_phrases, with_article
from tiny_world.judge import judge

STRENGTH, LOOKS = 0.5, 2
ANY_WORDS = ("ovam", "concept-attention")
Found = tuple[
    str, str, list[Tensor]
]  # how a picture is read, by which method, and the words' presence in each


def main(
    prompts: Annotated[int, typer.Option(min=2, help="Pictures; half with one object, half with two.")] = 64,
    steps: StepsOption = 20,
    guidance: GuidanceOption = 3.0,
    batch: BatchOption = 8,
    split: SplitOption = "test",
    model: ModelOption = None,
    call: CallOption = "{}",
    json: JsonOption = None,
) -> None:
    """Print the ROC AUC of every method's presence scores."""
    pipe = quiet_pipeline(model)
    family = check_supported(pipe)
    methods = pipe.mask_settings.resolve_all(family, family.sites(pipe))
    arguments = {"num_inference_steps": steps, "guidance_scale": guidance, **call_arguments(call)}
    chosen = [scene for objects in (1, 2) for scene in unseen_scenes(objects, prompts // 2, split)]
    scores: dict[tuple[str, str], PresenceScores] = defaultdict(PresenceScores)
    for start in tqdm(range(0, len(chosen), batch), desc="pictures"):
        part = chosen[start : start + batch]
        words = list(asked_words(part))
        images, sampled = sampled_words(pipe, part, words, methods, arguments)
        shares = list(map(shares_of, judge(images)))
        for how, name, presence in (sampled, *looked_at(pipe, images, words, methods)):
            for own in zip(words, presence, shares, strict=True):
                scores[how, name].add(*own)
    rows = [{"picture": how, "method": name, **own.row()} for (how, name), own in scores.items()]
    settings = {"prompts": prompts, **arguments, "split": split, "model": str(model or "bundled")}
    report("Presence of words against the oracle", rows, settings, json)


def sampled_words(
    pipe: DiffuMaskPipeline,
    scenes: Sequence[Scene],
    words: list[list[str]],
    methods: Sequence[MaskMethod],
    settings: Mapping[str, Any],
) -> tuple[np.ndarray, Found]:
    """Images uint8 (B, H, W, 3) of the captions, read on the way by the method that takes any words."""
    method = next(own for own in methods if own.name in ANY_WORDS)
    with trace(pipe, classes=words, methods=method) as recorded:
        images = generations(pipe, scenes, settings)
    return images, ("sampled", method.name, recorded.presence())


def looked_at(
    pipe: DiffuMaskPipeline, images: np.ndarray, words: list[list[str]], methods: Sequence[MaskMethod]
) -> Iterator[Found]:
    """Existing images, read all at once as `segment` reads one."""
    whole = [replace(method, steps=(0.0, 1.0)) for method in methods]
    prompts = [f"a photo of {join_phrases(list(map(with_article, own)))}" for own in words]
    seen = encoded_images(pipe, list(map(Image.fromarray, images)), len(images))
    with AttentionTrace(pipe, words, whole, steps=LOOKS) as recorded:
        noise = torch.Generator().manual_seed(0)
        denoise_once(pipe, seen.latents, prompts, seen.size, STRENGTH, LOOKS, noise)
    for method in whole:
        yield "looked at", method.name, recorded.presence(method)


if __name__ == "__main__":
    typer.run(main)
