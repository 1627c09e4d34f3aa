"""What a masking pipeline returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.utils import BaseOutput
from PIL import Image
from torch import Tensor

from diffusers_attnmask.ground.drawing import Look, contact_sheet, heatmap_picture, mask_picture, overlay
from diffusers_attnmask.ground.heat import heat_picture
from diffusers_attnmask.ground.instances import Instances
from diffusers_attnmask.ground.notebook import MOST_ROWS, Captioned, html_rows
from diffusers_attnmask.ground.palette import Palette
from diffusers_attnmask.ground.pictures import encoded

OUTPUT_TYPES = ("pil", "np", "pt", "latent")
WITHOUT_MASKS = "there are no masks: call the pipeline with classes=[...]"


@dataclass
class DiffuMaskPipelineOutput(BaseOutput):
    """Images and, when classes were asked for, their masks.

    masks: one per image, ids 0 background, i + 1 = classes[i], 255 uncertain; PIL, or (B, H, W) uint8 for
    "np", "pt" and "latent". heatmaps: one per image, (C, H, W) float32 in [0, 1]. class_names begin with the
    background; one list, or one per image when the prompts had classes of their own. skipped_maps: how many
    maps of single steps were left out because they held a NaN or an infinity, as half precision can give.
    instances: the objects of each image. presence: one per image, float32 (C,) in [0, 1], how surely each
    class is in it at all.
    """

    images: Any
    masks: Any = None
    heatmaps: list[Tensor] | None = None
    class_names: list[str] | list[list[str]] | None = None
    nsfw_content_detected: list[bool] | None = None
    skipped_maps: int | None = None
    instances: list[Instances] | None = None
    presence: list[Tensor] | None = None

    def overlay(
        self, index: int = 0, opacity: float = Look.opacity, palette: Palette = Look.palette
    ) -> Image.Image:
        """Image, coloured mask and legend in one picture. palette: "safe", "voc", or a colour for each id."""
        return overlay(self.picture(index), self.ids(index), self.names(index), opacity, palette)

    def heatmap_picture(self, index: int, class_name: str, *, over: bool = False) -> Image.Image:
        """One class map in colours with their scale, beside its image or over it."""
        return heatmap_picture(self.heatmap(index, class_name), self.picture(index), over=over)

    def heatmap(self, index: int, class_name: str) -> np.ndarray:
        """One class map as float32 (H, W)."""
        names = self.names(index)[1:]
        if class_name not in names:
            raise ValueError(f"{class_name!r} is none of the classes of image {index}: {', '.join(names)}")
        assert self.heatmaps is not None  # wherever there are names
        return self.heatmaps[index][names.index(class_name)].numpy()

    def picture(self, index: int) -> Image.Image:
        """An image as PIL, whatever the output type."""
        if not -len(self.images) <= index < len(self.images):
            raise IndexError(f"there is no image {index}: the call made {len(self.images)}")
        image = self.images[index]
        if isinstance(image, Image.Image):
            return image
        if isinstance(image, Tensor):
            if image.shape[0] != 3:
                raise ValueError("output_type='latent' has no pictures: decode them, or sample with 'pil'")
            image = image.permute(1, 2, 0).float().cpu().numpy()
        return Image.fromarray((image * 255).round().astype(np.uint8))

    def shown(self, index: int) -> list[Captioned]:
        """An image as it is looked at: its overlay and its class maps, or alone where it has no masks."""
        if self.masks is None:
            return [Captioned("image", self.picture(index))]
        maps = ((name, heat_picture(self.heatmap(index, name))) for name in self.names(index)[1:])
        return [Captioned("masks", self.overlay(index)), *(Captioned(*own) for own in maps)]

    def _repr_html_(self) -> str:
        count = len(self.images)
        return html_rows([self.shown(index) for index in range(min(count, MOST_ROWS))], count)

    def _repr_png_(self) -> bytes:
        shown = [self.shown(index)[0].picture for index in range(min(len(self.images), MOST_ROWS))]
        return encoded(contact_sheet(shown))

    def ids(self, index: int) -> np.ndarray:
        """A mask as uint8 (H, W)."""
        if self.masks is None:
            raise ValueError(WITHOUT_MASKS)
        return np.asarray(self.masks[index])

    def names(self, index: int) -> list[str]:
        """The classes of an image, the background first."""
        if self.class_names is None:
            raise ValueError(WITHOUT_MASKS)
        own = self.class_names[index] if isinstance(self.class_names[0], list) else self.class_names
        return list(own)


def packed_masks(ids: Sequence[Tensor], output_type: str) -> Any:
    """Ids (H, W) of several images as the pipeline's output type wants them."""
    if output_type not in OUTPUT_TYPES:
        raise ValueError(f"output_type is one of {', '.join(OUTPUT_TYPES)}, not {output_type!r}")
    ids = [own.cpu() for own in ids]
    if output_type == "pil":
        return [mask_picture(own.numpy()) for own in ids]
    if len({own.shape for own in ids}) > 1:  # several calls of a trace may differ in size
        return [own.numpy() if output_type == "np" else own for own in ids]
    return np.stack([own.numpy() for own in ids]) if output_type == "np" else torch.stack(ids)
