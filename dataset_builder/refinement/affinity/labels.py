"""Confident labels for AffinityNet from class maps (DiffuMask, Wu et al. 2023, section 3.2)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dataset_builder.refinement.class_thresholds import ClassThresholds
from dataset_builder.refinement.crf import AFFINITY_LABELS, CRFOptions, crf_labels
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.methods.thresholds import adaptive_threshold


def affinity_labels(
    image: np.ndarray | Tensor,
    maps: Tensor,
    thresholds: Sequence[ClassThresholds],
    crf: CRFOptions = AFFINITY_LABELS,
) -> Tensor:
    """Labels uint8 (H, W) from maps (C, H, W) in [0, 1]: i+1 where class i is sure, 0 where the background
    is, and 255 elsewhere.

    Foreground is sure where the CRF keeps it although the background's score is high; background where the
    CRF keeps it although that score is low.
    """
    scores = torch.tensor([confident_scores(map, t) for map, t in zip(maps, thresholds, strict=True)])
    high, low = scores.to(maps).T[:, :, None, None]  # (C, 1, 1) each
    sure_foreground, sure_background = crf_labels(
        image, torch.stack([label_map(maps, high), label_map(maps, low)]), crf
    )
    labels = torch.full_like(sure_foreground, IGNORE_ID)
    labels[sure_background == 0] = 0
    labels[sure_foreground > 0] = sure_foreground[sure_foreground > 0]
    return labels.to(torch.uint8)


def confident_scores(map: Tensor, constants: ClassThresholds) -> tuple[float, float]:
    """The background's scores that leave sure foreground and sure background of one class's map (H, W).

    Where no value lies on a side of the threshold, that side has no sure pixel: an infinite score.
    """
    threshold = adaptive_threshold(map, constants.threshold, min_share=constants.least_share)
    above, below = map[map > threshold], map[map <= threshold]
    high = above.mean().item() + constants.foreground if len(above) else float("inf")
    low = below.mean().item() + constants.background if len(below) else float("-inf")
    return high, low


def label_map(maps: Tensor, background: Tensor | float) -> Tensor:
    """Labels (H, W) from maps (C, H, W): i+1 where class i exceeds the background most, 0 where none does."""
    margin, index = (maps - background).max(0)
    return torch.where(margin > 0, index + 1, 0)
