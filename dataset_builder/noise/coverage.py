"""How much of an image each class covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.options import Fault, OptionsError, Share, options


@options
class CoverageBounds:
    """The least and the greatest share of the image that a class may cover (DiffuMask: 5 % to 50-94 %)."""

    low: Share = 0.05
    high: Share = 0.94

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise OptionsError([Fault("low", f" must be at most the greatest, {self.high}, not {self.low}")])

    def allow(self, share: float) -> bool:
        return self.low <= share <= self.high


def class_coverage(mask: np.ndarray, class_names: Sequence[str]) -> dict[int, float]:
    """The share of the image of each class of a mask (H, W); a background is none.

    >>> class_coverage(np.array([[1, 0, 255, 0]]), ["background", "dog"])
    {1: 0.25}
    >>> class_coverage(np.array([[1, 0, 255, 0]]), ["road", "car"])
    {0: 0.5, 1: 0.25}
    """
    ids, counts = np.unique(mask, return_counts=True)
    shares = zip(ids.tolist(), (counts / mask.size).tolist(), strict=True)
    return {own: share for own, share in shares if own != IGNORE_ID and class_names[own] != BACKGROUND}
