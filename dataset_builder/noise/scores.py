"""How well a mask agrees with a prediction that has not seen it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dataset_builder.noise.coverage import class_coverage
from diffusers_attnmask.ground.ids import IGNORE_ID


def class_scores(prediction: np.ndarray, mask: np.ndarray, class_names: Sequence[str]) -> dict[int, float]:
    """IoU of prediction and mask, ids uint8 (H, W), for each class of the mask; a background is none, and
    ignored pixels do not count.

    >>> class_scores(np.array([[1, 1, 0, 2]]), np.array([[1, 0, 0, 255]]), ["background", "dog", "cat"])
    {1: 0.5}
    """
    if prediction.shape != mask.shape:
        raise ValueError(f"prediction {prediction.shape} and mask {mask.shape} differ in size")
    known = mask != IGNORE_ID
    scores = {}
    for class_id in class_coverage(mask, class_names):
        own, predicted = mask == class_id, (prediction == class_id) & known
        scores[class_id] = float((own & predicted).sum() / (own | predicted).sum())
    return scores


def quality(scores: Mapping[int, float] | Mapping[str, float]) -> float:
    """A pair's quality: its worst class, since one wrong object spoils the mask; 0 without any class."""
    return min(scores.values(), default=0.0)
