"""What the app's buttons do, without anything of the browser."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from diffusers_attnmask.ground.pictures import read_image
from diffusers_attnmask.ground.typed import parsed_class
from diffusers_attnmask.masking.output import DiffuMaskPipelineOutput


class Shown(NamedTuple):
    """Three pictures, every class map in colours with its name, and the seed that was used."""

    image: Image.Image
    overlay: Image.Image
    mask: Image.Image
    heatmaps: list[tuple[Image.Image, str]]
    seed: int


@dataclass(frozen=True)
class Studio:
    """A pipeline with masks, asked in texts and numbers as a form has them: an empty method is the model's
    own, a negative seed, or none, is drawn."""

    pipe: Any

    def sample(
        self, prompt: str, classes: str, method: str, steps: float, guidance: float, seed: float | None
    ) -> Shown:
        """A picture from a prompt, and its masks."""
        used = drawn_seed(seed)
        out = self.pipe(
            prompt,
            classes=typed_classes(classes),
            mask_method=method or None,
            num_inference_steps=int(steps),
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(used),
        )
        return shown(out, used)

    def segment(
        self,
        picture: str | None,
        prompt: str,
        classes: str,
        method: str,
        strength: float,
        looks: float,
        seed: float | None,
    ) -> Shown:
        """Masks of a picture that exists already, as a file."""
        if picture is None:
            raise ValueError("choose a picture first")
        used = drawn_seed(seed)
        out = self.pipe.segment(
            Image.fromarray(read_image(Path(picture))),
            prompt,
            typed_classes(classes),
            strength=strength,
            looks=int(looks),
            mask_method=method or None,
            generator=torch.Generator().manual_seed(used),
        )
        return shown(out, used)


def typed_classes(text: str) -> list[str | tuple[str, list[str]]]:
    """Classes between semicolons: `dog; aeroplane=airplane,jet` gives the second two phrases.

    >>> typed_classes("dog; aeroplane=airplane,jet")
    ['dog', ('aeroplane', ['airplane', 'jet'])]
    """
    return [parsed_class(word.strip()) for word in text.split(";") if word.strip()]


def drawn_seed(seed: float | None) -> int:
    return random.randrange(2**31) if seed is None or seed < 0 else int(seed)


def shown(out: DiffuMaskPipelineOutput, seed: int) -> Shown:
    heatmaps = [(out.heatmap_picture(0, name), name) for name in out.names(0)[1:]]
    return Shown(out.images[0], out.overlay(0), out.masks[0], heatmaps, seed)
