"""The open-vocabulary split: classes seen in training, unseen ones, and the harmonic mean of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusers_attnmask.ground.ids import BACKGROUND

# The usual 15/5 split of VOC 2012: the last five classes are unseen; the background belongs to neither.
VOC_UNSEEN = ("pottedplant", "sheep", "sofa", "train", "tvmonitor")


def split_scores(
    class_names: Sequence[str], iou: np.ndarray, unseen: Sequence[str] = VOC_UNSEEN
) -> dict[str, float]:
    """Mean IoU of seen and unseen classes and their harmonic mean. iou: (K,), NaN for absent classes."""
    check_unseen(class_names, unseen)
    hidden = np.array([name in unseen for name in class_names])
    judged = np.array([name != BACKGROUND for name in class_names]) & ~np.isnan(iou)
    seen_mean, unseen_mean = (_mean(iou[judged & part]) for part in (~hidden, hidden))
    total = seen_mean + unseen_mean
    harmonic = 2 * seen_mean * unseen_mean / total if total > 0 else total
    return {"seen": seen_mean, "unseen": unseen_mean, "harmonic": harmonic}


def check_unseen(class_names: Sequence[str], unseen: Sequence[str]) -> None:
    """Refuse unseen classes that are none of those that are judged."""
    if missing := sorted(set(unseen) - set(class_names)):
        raise ValueError(
            f"Unseen classes that are not judged: {', '.join(missing)}; these are {', '.join(class_names)}."
        )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
