"""The threshold of each class by its match with an affinity mask (DiffuMask, Wu et al. 2023, section 3.2)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dataset_builder.refinement.affinity.labels import label_map
from dataset_builder.refinement.crf import FINAL, CRFOptions, crf_labels

GAMMAS = tuple(round(0.35 + 0.01 * step, 2) for step in range(20))


def threshold_by_match(
    image: np.ndarray | Tensor,
    maps: Tensor,
    reference: Tensor,
    crf: CRFOptions = FINAL,
    gammas: Sequence[float] = GAMMAS,
) -> tuple[Tensor, list[float]]:
    """Labels (H, W), and the threshold of each class whose CRF'd mask has the highest IoU with the reference.

    `maps` (C, H, W) in [0, 1]; `reference` (H, W), i+1 for class i. All thresholds' CRFs share one lattice.
    Where two classes claim a pixel, the one with the higher map has it. Of equal matches the lowest threshold
    wins; two empty masks match wholly.
    """
    candidates = crf_labels(image, torch.stack([label_map(maps, gamma) for gamma in gammas]), crf)
    return matching_threshold(candidates, maps, reference, gammas)


def matching_threshold(
    candidates: Tensor, maps: Tensor, reference: Tensor, gammas: Sequence[float]
) -> tuple[Tensor, list[float]]:
    """The same from the thresholds' label maps (K, H, W), whichever way they were made."""
    claims, chosen = [], []
    for class_id in range(1, len(maps) + 1):
        masks = candidates == class_id  # (K, H, W)
        best = int(intersection_over_union(masks, reference == class_id).argmax())
        claims.append(masks[best])
        chosen.append(gammas[best])
    return strongest(torch.stack(claims), maps), chosen


def strongest(claims: Tensor, maps: Tensor) -> Tensor:
    """Labels (H, W): each pixel to the class with the highest map (C, H, W) of those that claim it, bool
    (C, H, W)."""
    strength, index = maps.masked_fill(~claims, -1).max(0)
    return torch.where(strength >= 0, index + 1, 0).to(torch.uint8)


def intersection_over_union(masks: Tensor, reference: Tensor) -> Tensor:
    """IoU of boolean masks (..., H, W) with one of (H, W); 1 where both are empty."""
    both = (masks & reference).sum((-2, -1))
    either = (masks | reference).sum((-2, -1))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)
