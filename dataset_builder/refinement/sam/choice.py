"""Which of SAM's masks is kept of an object, and whose the pixels are that several claim."""

from __future__ import annotations

import torch
from torch import Tensor

from dataset_builder.refinement.sam.objects import Objects


def agreement(masks: Tensor, inside: Tensor, weights: Tensor) -> Tensor:
    """IoU (N, K) of masks (N, K, H, W) with N objects (N, H, W), by weights (N, H, W) of pixels."""
    both = ((masks & inside[:, None]) * weights[:, None]).sum((-2, -1))
    either = ((masks | inside[:, None]) * weights[:, None]).sum((-2, -1))
    return torch.where(either > 0, both / either.clamp(min=1e-12), 0.0)


def chosen(candidates: Tensor, objects: Objects, least: float) -> Tensor:
    """A mask bool (N, H, W) for each object: of its candidates bool (N, K, H, W) the one that agrees best, or
    the object itself where none agrees by `least`."""
    inside, weights = objects.inside.to(candidates.device), objects.weights.to(candidates.device)
    best, place = agreement(candidates, inside, weights).max(1)
    masks = candidates[torch.arange(len(place), device=place.device), place]
    return torch.where((best >= least)[:, None, None], masks, inside).cpu()


def united(masks: Tensor, inside: Tensor) -> Tensor:
    """Of masks bool (K, H, W) and an object bool (H, W): what those cover together that lie in it for the
    most part, bool (H, W). Two objects of a class that touch are one of the attention's."""
    within = (masks & inside).sum((-2, -1)) * 2 >= masks.sum((-2, -1))
    return (masks & within[:, None, None]).any(0)
