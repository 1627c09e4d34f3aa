"""What the pipeline returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from diffusers.utils import BaseOutput
from PIL import Image
from torch import Tensor

from diffusers_attnmask.ground.drawing import Look, contact_sheet, heatmap_picture, overlay
from diffusers_attnmask.ground.heat import heat_picture
from diffusers_attnmask.ground.notebook import MOST_ROWS, Captioned, html_rows
from diffusers_attnmask.ground.palette import Palette
from diffusers_attnmask.ground.pictures import encoded


@dataclass
class SegDiffusionOutput(BaseOutput):
    """Masks of some images, with one entry for each image.

    masks: ids 0 background, i + 1 = classes[i]; palette pictures, or uint8 (B, H, W) for "np" and "pt" (a
    list where the images differ in size). probabilities: float32 (C, H, W) in [0, 1], each class for itself.
    uncertainty: float32 (H, W), the ensemble's median absolute deviation where it is largest; None where the
    ensemble has one member.
    """

    masks: Any
    probabilities: list[Tensor]
    uncertainty: list[Tensor] | None
    class_names: list[str]
    images: list[Tensor]  # as they were seen: RGB (3, H, W) in [0, 1]

    def overlay(
        self, index: int = 0, opacity: float = Look.opacity, palette: Palette = Look.palette
    ) -> Image.Image:
        """Image, coloured mask and legend in one picture. palette: "safe", "voc", or a colour for each id."""
        ids = np.asarray(self.masks[index])
        return overlay(self.picture(index), ids, self.class_names, opacity, palette)

    def uncertainty_picture(self, index: int = 0) -> Image.Image:
        """The uncertainty in colours beside the image: 1 on the scale is 0.5, the most there can be."""
        if self.uncertainty is None:
            raise ValueError("one sample has no uncertainty: call the pipeline with ensemble_size=2 or more")
        return heatmap_picture(2 * self.uncertainty[index].numpy(), self.picture(index))

    def shown(self, index: int) -> list[Captioned]:
        """An image as it is looked at: its overlay and the probabilities of its classes."""
        maps = zip(self.class_names[1:], self.probabilities[index], strict=True)
        return [
            Captioned("masks", self.overlay(index)),
            *(Captioned(name, heat_picture(own.numpy())) for name, own in maps),
        ]

    def _repr_html_(self) -> str:
        count = len(self.images)
        return html_rows([self.shown(index) for index in range(min(count, MOST_ROWS))], count)

    def _repr_png_(self) -> bytes:
        shown = [self.overlay(index) for index in range(min(len(self.images), MOST_ROWS))]
        return encoded(contact_sheet(shown))

    def picture(self, index: int = 0) -> Image.Image:
        """The image as it was seen: upright, in RGB."""
        pixels = self.images[index].permute(1, 2, 0) * 255
        return Image.fromarray(pixels.round().byte().numpy())
