"""Answers of Mask2Former to a rendered scene, such as one gives that has learned the world."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, one_hot
from transformers.models.mask2former.modeling_mask2former import Mask2FormerForUniversalSegmentationOutput

from tiny_world.oracle import CLASS_NAMES

QUERIES = 100
STRIDE = 4  # of its masks
SURE = 8.0  # logit of what it sees
NOISE = 1.0  # deviation of the masks' logits


class Answering(nn.Module):
    """A network that gives the same answers whatever it is shown."""

    def __init__(self, answers: Mask2FormerForUniversalSegmentationOutput) -> None:
        super().__init__()
        self.answers = answers

    def forward(self, pixel_values: Tensor) -> Any:
        return self.answers


def enlarged(mask: np.ndarray, side: int) -> Tensor:
    """Class ids int64 (side, side) of a mask (H, W), with smooth outlines."""
    shares = one_hot(torch.from_numpy(mask).long(), len(CLASS_NAMES)).movedim(-1, 0).float()
    return interpolate(shares[None], (side, side), mode="bilinear")[0].argmax(0)


def answers_to(mask: Tensor, seed: int) -> Mask2FormerForUniversalSegmentationOutput:
    """One query is sure of each class that the mask (H, W) shows, all others of nothing."""
    classes = len(CLASS_NAMES)
    random = torch.Generator().manual_seed(seed)
    shown = one_hot(mask, classes).movedim(-1, 0).float()
    coarse = adaptive_avg_pool2d(shown[None], [side // STRIDE for side in mask.shape])[0]
    masks = NOISE * torch.randn(QUERIES, *coarse.shape[1:], generator=random)
    masks[:classes] += SURE * (2 * coarse - 1)
    logits = torch.zeros(QUERIES, classes + 1)
    labels = torch.full((QUERIES,), classes)
    labels[:classes] = torch.where(shown.any((1, 2)), torch.arange(classes), classes)
    logits[torch.arange(QUERIES), labels] = SURE
    return Mask2FormerForUniversalSegmentationOutput(
        class_queries_logits=logits[None], masks_queries_logits=masks[None]
    )
