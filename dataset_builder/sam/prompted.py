"""SAM, SAM 2 and SAM 3 asked by boxes, points and maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dataset_builder.sam.embedding import Embedded, check_torchvision, embedded
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model

ON, OFF, NONE = 1, 0, -1  # labels of points: on the object, beside it, and no point
# The logits that SAM 2 takes a mask of ones and zeros for (its code's `_use_mask_as_output`).
LOGIT = 10.0


@dataclass(frozen=True, eq=False)
class Prompts:
    """What is asked about N objects of a picture, in its pixels, x before y.

    boxes: (N, 4), the upper left and the lower right corner. points: (N, P, 2), with labels int (N, P).
    masks: logits (N, H, W), or none.
    """

    boxes: Tensor
    points: Tensor
    labels: Tensor
    masks: Tensor | None


@dataclass(frozen=True, eq=False)
class PromptedSam:
    """network: of transformers' class for the model's kind, fp32; dtype: in which pictures are embedded."""

    network: Any
    processor: Any
    device: str
    dtype: torch.dtype

    @classmethod
    def load(cls, model: str, device: str, dtype: torch.dtype) -> PromptedSam:
        from transformers import AutoImageProcessor, AutoModelForMaskGeneration

        check_torchvision()
        with within_reach(model, "model"), readable_model(model):
            network = AutoModelForMaskGeneration.from_pretrained(model, dtype=torch.float32, **TENSORS_ALONE)
            processor = AutoImageProcessor.from_pretrained(model)
        return cls(network.to(device).eval(), processor, device, dtype)

    def embedded(self, image: np.ndarray) -> Embedded:
        """An image uint8 (H, W, 3); its features are one tensor (1, D, h, w), or one for each resolution."""
        return embedded(image, self.processor, self.network.get_image_embeddings, self.device, self.dtype)

    @torch.no_grad()
    def candidates(self, picture: Embedded, prompts: Prompts) -> Tensor:
        """Masks bool (N, K, H, W), K for each object: the one for prompts that leave no doubt, then those for
        an object, its part and its whole.

        Every object is a batch entry of its own, since a network takes one map for each of those.
        """
        frame, count = picture.frame, len(prompts.boxes)
        side = 4 * self.network.prompt_encoder.image_embedding_size[0]
        masks = prompts.masks
        if masks is not None:
            masks = frame.inward(masks.to(self.device), side, outside=-LOGIT)[:, None]
        boxes = frame.points(prompts.boxes.to(self.device).view(count, 2, 2)).view(count, 1, 4)
        asked = {
            "image_embeddings": repeated(picture.features, count),
            "input_boxes": boxes,
            "input_points": frame.points(prompts.points.to(self.device))[:, None],
            "input_labels": prompts.labels.to(self.device)[:, None],
            "input_masks": masks,
        }
        logits = [self.network(**asked, multimask_output=several).pred_masks for several in (False, True)]
        return frame.back(torch.cat(logits, dim=2)[:, 0]) > 0


def repeated(features: Any, count: int) -> Any:
    """Features of one picture for `count` objects of it, in fp32, without copies of them."""
    if isinstance(features, Tensor):
        return features.float().expand(count, *features.shape[1:])
    return [repeated(own, count) for own in features]
