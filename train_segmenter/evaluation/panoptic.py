"""Panoptic quality (Kirillov et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MATCHED = 0.5  # IoU beyond which two segments are the same one


class PanopticTally:
    """Sums over pictures, by class: of the IoU of matched segments, and of segments matched and not."""

    def __init__(self, classes: int) -> None:
        self.iou = np.zeros(classes)
        self.matched, self.wrong, self.missed = (np.zeros(classes, np.int64) for _ in range(3))

    def add(
        self,
        found: np.ndarray,
        found_classes: Sequence[int],
        truth: np.ndarray,
        truth_classes: Sequence[int],
        void: np.ndarray,
    ) -> None:
        """Numbers of segments (H, W), 0 for none, the class of each from 1 on, and what is not judged (H, W).

        A segment that lies in void for the most part is not counted as wrong.
        """
        ours, theirs = np.array([-1, *found_classes]), np.array([-1, *truth_classes])
        both = np.zeros((len(ours), len(theirs)), np.int64)
        np.add.at(both, (found[~void], truth[~void]), 1)
        hidden = np.bincount(found[void], minlength=len(ours))
        area, true_area = both.sum(1), both.sum(0)  # outside of void
        union = area[:, None] + true_area - both
        iou = np.where(ours[:, None] == theirs, both / np.maximum(union, 1), 0.0)
        iou[0] = iou[:, 0] = 0
        rows, columns = np.nonzero(iou > MATCHED)
        np.add.at(self.iou, theirs[columns], iou[rows, columns])
        np.add.at(self.matched, theirs[columns], 1)
        left = np.setdiff1d(np.arange(1, len(ours)), rows)
        whole = area[left] + hidden[left]
        np.add.at(self.wrong, ours[left[(whole > 0) & (hidden[left] <= MATCHED * whole)]], 1)
        missing = np.setdiff1d(np.flatnonzero(true_area[1:]) + 1, columns)
        np.add.at(self.missed, theirs[missing], 1)

    def quality(self) -> np.ndarray:
        """PQ of each class, NaN where none was there and none was found."""
        counted = self.matched + self.wrong / 2 + self.missed / 2
        with np.errstate(invalid="ignore"):
            return self.iou / counted
