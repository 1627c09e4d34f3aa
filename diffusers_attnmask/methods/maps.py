"""The small steps that the published heat maps share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def upscaled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic interpolation of (…, h, w) to (…, *size)."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    flat = maps.reshape(1, -1, *maps.shape[-2:])
    return F.interpolate(flat, size=size, mode="bicubic", align_corners=False).view(*maps.shape[:-2], *size)


def min_max(maps: Tensor) -> Tensor:
    """Each of (C, H, W) stretched to [0, 1]; a flat map becomes 0."""
    low = maps.amin((-2, -1), keepdim=True)
    span = maps.amax((-2, -1), keepdim=True) - low
    return (maps - low) / torch.where(span > 0, span, 1.0)


def class_means(tokens: Tensor, columns: Sequence[Sequence[int]]) -> Tensor:
    """A class is the mean of its tokens: (…, T, h, w) to (…, C, h, w)."""
    return torch.stack([tokens[..., list(own), :, :].mean(-3) for own in columns], dim=-3)
