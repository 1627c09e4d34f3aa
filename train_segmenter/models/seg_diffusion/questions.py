"""What training asks of a mask: the picture that the UNet learns to denoise, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffusers_attnmask.seg_diffusion.encoding import binary_pictures, level_pictures
from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from diffusers_attnmask.words.classes import BACKGROUND, class_specs
from train_segmenter.models.seg_diffusion.objective import asked_classes


class Questions:
    """Questions about masks in the classes of training; the text of a class is encoded once.

    absent: share of the binary masks that are of a class which the image does not show.
    """

    def __init__(self, pipe: SegDiffusionPipeline, class_names: Sequence[str], absent: float) -> None:
        self.pipe, self.class_names, self.absent = pipe, class_names, absent
        # a background is one only by its name
        self.foreground = tuple(number for number, name in enumerate(class_names) if name != BACKGROUND)
        self.texts: dict[int, Tensor] = {}

    def about(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) of what each mask (B, H, W) is asked for, and the text (B, T, D) for it."""
        if self.pipe.config.encoding == "levels":
            # background and ignored are black
            ranks = torch.zeros(256, dtype=torch.long, device=masks.device)
            ranks[list(self.foreground)] = torch.arange(1, len(self.foreground) + 1, device=masks.device)
            text = torch.stack([self._text(number, masks.device) for number in self.foreground])
            text = self.pipe.encoding.conditions(text).expand(len(masks), -1, -1)
            return level_pictures(ranks[masks], len(self.foreground)), text
        asked = asked_classes(masks, self.foreground, self.absent)
        inside = masks == torch.tensor(asked, device=masks.device)[:, None, None]
        return binary_pictures(inside), torch.stack([self._text(number, masks.device) for number in asked])

    @torch.no_grad()
    def _text(self, number: int, device: torch.device) -> Tensor:
        """The text (T, D) of a class."""
        if number not in self.texts:
            spec = self.pipe.as_trained(class_specs([self.class_names[number]]))
            with torch.autocast(device.type, enabled=False):
                self.texts[number] = self.pipe.sentences.of_classes(spec)[0]
        return self.texts[number]
