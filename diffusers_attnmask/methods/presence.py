"""How surely a class is in a picture at all, by its map before that is stretched.

Stretched to [0, 1], the map of every word has a peak, also that of a word for nothing in the picture. Before
it, two things tell them apart: the map of what is there is concentrated in few places, and strong in them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusers_attnmask.methods.maps import min_max

STRONGEST = 0.02  # share of the places by which strength is told
FAINTEST = 1e-6
# Bias, and weights of concentration and strength. Where nobody calibrated a model, how much attention a word
# has means nothing: it depends on how many tokens share it.
UNCALIBRATED = (-13.8, 18.1, 0.0)


def concentration(claims: Tensor) -> Tensor:
    """Of class maps (C, h, w), how little of its range a map has on average: (C,) in [0, 1]."""
    return 1 - min_max(claims).mean((-2, -1))


def strength(claims: Tensor) -> Tensor:
    """Logarithm of the mean of the strongest places of class maps (C, h, w): (C,)."""
    flat = claims.flatten(1)
    strongest = flat.topk(max(1, round(STRONGEST * flat.shape[1])), dim=1).values
    return strongest.mean(1).clamp(min=FAINTEST).log()


def presence(claims: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """The logistic model of both, (C,) in [0, 1]: above one half, a class is rather there than not."""
    bias, concentrated, strong = weights
    return torch.sigmoid(bias + concentrated * concentration(claims) + strong * strength(claims))
