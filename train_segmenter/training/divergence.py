"""A training whose loss or weights are no numbers any more: nothing that comes after it is of use."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

REMEDY = "take a smaller learning rate, and look whether images and masks are sound"


class Diverged(ValueError):
    """The loss, or a weight, is NaN or infinite. The same options lead here again."""


def check_finite(loss: float, step: int) -> None:
    """Raise unless the mean loss of the steps up to this one is finite."""
    if not math.isfinite(loss):
        raise Diverged(f"the loss is {loss} by step {step}: {REMEDY}")


def check_finite_weights(weights: Iterable[Tensor], step: int) -> None:
    """Raise unless all weights are finite: a step may break them whose own loss was still a number."""
    floating = [own for own in weights if own.is_floating_point()]
    greatest = torch.stack(torch._foreach_norm(floating, math.inf))  # one wait for the device
    if not bool(greatest.isfinite().all()):
        raise Diverged(f"weights are no numbers any more after step {step}: {REMEDY}")
