"""A picture with its class maps, looked at in several ways without being sampled again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from diffusers_attnmask.ground.drawing import Look, beside, mask_picture, overlay
from diffusers_attnmask.ground.heat import heat_bar, heat_picture
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.pictures import write_picture
from diffusers_attnmask.masking.output import DiffuMaskPipelineOutput
from diffusers_attnmask.masking.presence import RATHER_ABSENT
from diffusers_attnmask.methods.thresholds import label_above

LARGE = 512  # pixels of the longer side on the page, at least
FREE = (0, 0, 0, 64)  # pixels on the four sides of a map: a gallery writes its captions over the pictures


@dataclass(frozen=True)
class View:
    """ids: the method's own mask (H, W). heatmaps: (C, H, W) in [0, 1]. names begin with the background.
    presence: how surely each class is in the picture at all, (C,) in [0, 1], where they are classes."""

    image: Image.Image
    ids: np.ndarray
    heatmaps: Tensor
    names: tuple[str, ...]
    seed: int
    prompt: str
    presence: tuple[float, ...] = ()

    @classmethod
    def of(cls, out: DiffuMaskPipelineOutput, seed: int, prompt: str) -> View:
        """The first image of an output."""
        assert out.heatmaps is not None  # classes were asked for
        presence = tuple(out.presence[0].tolist()) if out.presence else ()
        return cls(out.picture(0), out.ids(0), out.heatmaps[0], tuple(out.names(0)), seed, prompt, presence)

    @property
    def classes(self) -> list[str]:
        return list(self.names[1:])

    @property
    def labels(self) -> list[str]:
        """The classes, each with its presence."""
        if not self.presence:
            return self.classes
        return [f"{name} {own:.2f}" for name, own in zip(self.classes, self.presence, strict=True)]

    def absence(self) -> str:
        """A sentence on the classes that are rather not in the picture, empty where all are."""
        scores = zip(self.classes, self.presence, strict=False)
        absent = [f"{name} ({own:.2f})" for name, own in scores if own < RATHER_ABSENT]
        if not absent:
            return ""
        return (
            f"Rather not in this picture, by presence from 0 to 1: {', '.join(absent)}. What is painted as "
            f"{'it' if len(absent) == 1 else 'them'} may be something else."
        )

    def recut(self, threshold: float) -> View:
        """The same maps cut at another height; 0 leaves the method's own mask."""
        if not threshold:
            return self
        ids = label_above(self.heatmaps, [threshold] * len(self.heatmaps)).numpy()
        return replace(self, ids=ids)

    def showing(self, classes: Sequence[str]) -> View:
        """The same mask of some of its classes alone."""
        kept = [own for own, name in enumerate(self.names) if name in classes]
        ids = np.where(np.isin(self.ids, [*kept, IGNORE_ID]), self.ids, 0)
        return replace(self, ids=ids.astype(np.uint8))

    def overlay(self, look: Look | None = None) -> Image.Image:
        """Image, mask and legend, as large as a page has them."""
        return large_overlay(self.image, self.ids, self.names, look or Look())

    def maps(self) -> list[tuple[Image.Image, str]]:
        """Every class map in colours beside its scale, with its class, whose place under it is left free."""
        pictures = (enlarged(heat_picture(own.numpy())) for own in self.heatmaps)
        shown = (ImageOps.expand(beside(own, heat_bar(own.height)), FREE, "white") for own in pictures)
        return list(zip(shown, self.labels, strict=True))

    def write(self, folder: Path, look: Look | None = None) -> list[str]:
        """The mask (ids), the overlay and what is known of both, as files to take away."""
        look = look or Look()
        names = [folder / f"{self.seed:06d}-{kind}" for kind in ("mask.png", "overlay.png", "about.json")]
        write_picture(mask_picture(self.ids, look.colours), names[0])
        write_picture(overlay(self.image, self.ids, self.names, look.opacity, look.palette), names[1])
        shares = {name: float((self.ids == own).mean()) for own, name in enumerate(self.names)}
        known = {"prompt": self.prompt, "seed": self.seed, "classes": self.names, "coverage": shares}
        if self.presence:
            known["presence"] = dict(zip(self.classes, self.presence, strict=True))
        names[2].write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        return list(map(str, names))


def large_overlay(image: Image.Image, ids: np.ndarray, names: Sequence[str], look: Look) -> Image.Image:
    """An image with its mask (H, W) and legend, enlarged where it is small."""
    return overlay(enlarged(image), ids, names, look.opacity, look.palette)


def enlargement(picture: Image.Image) -> int:
    """By how much a small picture is enlarged, a whole number, so that no pixel is blurred."""
    return max(1, -(-LARGE // max(picture.size)))


def enlarged(picture: Image.Image) -> Image.Image:
    factor = enlargement(picture)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
