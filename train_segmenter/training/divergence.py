"""A training whose loss is no number any more: nothing that comes after it is of use."""

from __future__ import annotations

import math


class Diverged(ValueError):
    """The loss is NaN or infinite. The same options lead here again."""


def check_finite(loss: float, step: int) -> None:
    """Raise unless the mean loss of the steps up to this one is finite."""
    if not math.isfinite(loss):
        raise Diverged(
            f"the loss is {loss} by step {step}: take a smaller learning rate, and look whether images and "
            "masks are sound"
        )
