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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from scipy.stats import mannwhitneyu
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.world.sampling import (
    BatchOption,
    CallOption,
    GuidanceOption,
    ModelOption,
    SplitOption,
    StepsOption,
    call_arguments,
    pixels,
    quiet_pipeline,
)
from benchmarks.world.scenes import Scene, unseen_scenes
from diffusers_attnmask import trace
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking.segmenting import denoise_once, encoded_images
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import MaskMethod
from tiny_world import CLASSES
from tiny_world.captions import join_phrases, with_article
from tiny_world.judge import judge

UNKNOWN = "dog"
THERE, ABSENT = 0.01, 0.002  # shares of a picture
STRENGTH, LOOKS = 0.5, 2
ANY_WORDS = ("ovam", "concept-attention")


@dataclass
class Scores:
    """Presence of words that are there, of the world's words that are not, and of the unknown one."""

    there: list[float] = field(default_factory=list)
    absent: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)

    def add(self, words: Sequence[str], presence: torch.Tensor, shares: dict[str, float]) -> None:
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


def asked(scenes: Sequence[Scene]) -> Iterator[list[str]]:
    """The words for each scene: its classes, one that it lacks, and the unknown one."""
    for scene in scenes:
        others = [name for name in CLASSES if name not in scene.classes]
        yield [*scene.classes, others[scene.seed % len(others)], UNKNOWN]


def sampled(
    pipe: Any, scenes: Sequence[Scene], words: list[list[str]], method: MaskMethod, settings: dict[str, Any]
) -> tuple[np.ndarray, list[torch.Tensor]]:
    """Images uint8 (B, H, W, 3) of the captions, and the presence of the words in each."""
    generators = [torch.Generator().manual_seed(scene.seed) for scene in scenes]
    with trace(pipe, classes=words, methods=method) as recorded:
        images = pipe(
            [scene.caption for scene in scenes], generator=generators, output_type="np", **settings
        ).images
    return pixels(images), recorded.presence()


def looked_at(
    pipe: Any, images: np.ndarray, words: list[list[str]], methods: Sequence[MaskMethod]
) -> Iterator[tuple[str, list[torch.Tensor]]]:
    """By method, the presence of the words in existing images, read all at once as `segment` reads one."""
    whole = [replace(method, steps=(0.0, 1.0)) for method in methods]
    prompts = [f"a photo of {join_phrases(list(map(with_article, own)))}" for own in words]
    seen = encoded_images(pipe, list(map(Image.fromarray, images)), len(images))
    with AttentionTrace(pipe, words, whole, steps=LOOKS) as recorded:
        noise = torch.Generator().manual_seed(0)
        denoise_once(pipe, seen.latents, prompts, seen.size, STRENGTH, LOOKS, noise)
    for method in whole:
        yield method.name, recorded.presence(method)


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
    any_words = next(method for method in methods if method.name in ANY_WORDS)
    arguments = {"num_inference_steps": steps, "guidance_scale": guidance, **call_arguments(call)}
    chosen = [scene for objects in (1, 2) for scene in unseen_scenes(objects, prompts // 2, split)]
    scores: dict[tuple[str, str], Scores] = defaultdict(Scores)
    for start in tqdm(range(0, len(chosen), batch), desc="pictures"):
        part = chosen[start : start + batch]
        words = list(asked(part))
        images, presence = sampled(pipe, part, words, any_words, arguments)
        found = [
            ("sampled", any_words.name, presence),
            *(("looked at", *own) for own in looked_at(pipe, images, words, methods)),
        ]
        shares = [
            {name: (ids == number).mean() for number, name in enumerate(CLASSES, 1)} for ids in judge(images)
        ]
        for how, name, values in found:
            for own, value, share in zip(words, values, shares, strict=True):
                scores[how, name].add(own, value, share)
    rows = [{"picture": how, "method": name, **own.row()} for (how, name), own in scores.items()]
    settings = {"prompts": prompts, **arguments, "split": split, "model": str(model or "bundled")}
    report("Presence of words against the oracle", rows, settings, json)


if __name__ == "__main__":
    typer.run(main)
