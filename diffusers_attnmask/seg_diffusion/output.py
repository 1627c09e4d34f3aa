"""What the pipeline returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from diffusers.utils import BaseOutput
from PIL import Image
from torch import Tensor

from diffusers_attnmask.ground.drawing import heatmap_picture, overlay


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

    def overlay(self, index: int = 0, alpha: float = 0.5) -> Image.Image:
        """Image, coloured mask and legend in one picture."""
        return overlay(self.picture(index), np.asarray(self.masks[index]), self.class_names, alpha)

    def uncertainty_picture(self, index: int = 0) -> Image.Image:
        """The uncertainty in colours over the image, red where it is 0.5, which is the most there can be."""
        if self.uncertainty is None:
            raise ValueError("one sample has no uncertainty: call the pipeline with ensemble_size=2 or more")
        return heatmap_picture(2 * self.uncertainty[index].numpy(), self.picture(index))

    def picture(self, index: int = 0) -> Image.Image:
        """The image as it was seen: upright, in RGB."""
        pixels = self.images[index].permute(1, 2, 0) * 255
        return Image.fromarray(pixels.round().byte().numpy())
