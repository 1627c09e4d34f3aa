"""Masks of seg-diffusion and of attention, each in ids of the world for the words that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from benchmarks.world.scenes import Scene, world_ids
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.seg_diffusion.output import SegDiffusionOutput
from tiny_world.oracle import CLASS_NAMES
from train_segmenter.models import Segmenter

Words = Callable[[Scene], Sequence[str]]


def all_words(scene: Scene) -> Sequence[str]:
    """Every class of the world."""
    return CLASS_NAMES[1:]


def caption_words(scene: Scene) -> Sequence[str]:
    """The classes that the caption names."""
    return scene.classes


ASKED: dict[str, Words] = {"all classes": all_words, "the caption's": caption_words}


@dataclass(frozen=True)
class Sampled:
    """Seg-diffusion's masks."""

    model: Segmenter
    words: Words
    steps: int
    samples: int
    penalty: float = 0.0
    background: float = 0.5

    def __call__(self, scene: Scene) -> np.ndarray:
        return world_ids(self.words(scene))[self.output(scene).masks[0]]

    def output(self, scene: Scene) -> SegDiffusionOutput:
        return self.model.pipe(
            Image.fromarray(scene.image),
            list(self.words(scene)),
            denoising_steps=self.steps,
            ensemble_size=self.samples,
            seen_penalty=self.penalty,
            background=self.background,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        )


def ways(model: Segmenter, steps: Iterable[int], samples: int) -> list[Sampled]:
    """By each number of steps, alone and as an ensemble; members that take one step hardly differ."""
    return [
        Sampled(model, all_words, count, size) for count in steps for size in {1, samples if count > 1 else 1}
    ]


@dataclass(frozen=True)
class Attention:
    """Masks from the attention of the bundled model as it looks at the image."""

    pipe: DiffuMaskPipeline
    words: Words
    strength: float
    looks: int

    def __call__(self, scene: Scene) -> np.ndarray:
        asked = self.words(scene)
        told = scene.caption if self.words is caption_words else f"a photo of a {', a '.join(asked)}"
        out = self.pipe.segment(
            Image.fromarray(scene.image),
            told,
            list(asked),
            strength=self.strength,
            looks=self.looks,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        )
        return world_ids(asked)[out.masks[0]]
