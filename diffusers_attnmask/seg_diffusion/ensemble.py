"""Several samples of the same mask as one: their median, and how far they lie from it."""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1e-6  # a member that varies less than this has no scale


def merged(members: Tensor) -> tuple[Tensor, Tensor | None]:
    """Median and median absolute deviation over the first axis; a single member has no deviation."""
    if len(members) == 1:
        return members[0], None
    middle = median(members)
    return middle, median((members - middle).abs())


def median(values: Tensor) -> Tensor:
    """Median over the first axis, for even counts the mean of the two in the middle."""
    ordered = values.sort(dim=0).values
    count = len(values)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def aligned(members: Tensor) -> Tensor:
    """Members (E, P, H, W), each scaled and shifted to come as near as it can to the median, in [0, 1].

    Marigold (Ke et al., CVPR 2024) aligns depth so, whose scale is free. That of a mask is not, so that this
    is no default here.
    """
    reference = median(members)
    target, source = reference.flatten(1), members.flatten(2)  # (P, N), (E, P, N)
    target_mean, source_mean = target.mean(-1, keepdim=True), source.mean(-1, keepdim=True)
    centred = source - source_mean
    spread = centred.square().mean(-1, keepdim=True)
    shared = (centred * (target - target_mean)).mean(-1, keepdim=True)
    scale = torch.where(spread > FLAT, shared / spread.clamp(min=FLAT), 1.0)
    return (centred * scale + target_mean).clamp(0, 1).view_as(members)
