"""The small steps that the published heat maps share."""

from __future__ import annotations

import math
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


def spread_map(cross: Tensor, self_attention: Tensor, power: int, grid: tuple[int, int]) -> Tensor:
    """Cross-attention (C, h, w), spread over self-attention (N, N) to a power: (C, *grid).

    Nguyen et al. 2023, eq. 5. Row i of the self-attention says where place i of the grid looks.
    """
    flat = upscaled(cross, grid).flatten(1)
    for _ in range(power):  # a few rows through the matrix, rather than the matrix through itself
        flat = flat @ self_attention.mT
    return flat.unflatten(1, grid)


def blurred(maps: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of (C, h, w) with a deviation in places; beyond the border is what stands there."""
    if deviation == 0:
        return maps
    reach = math.ceil(3 * deviation)
    places = torch.arange(-reach, reach + 1, device=maps.device)
    kernel = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    found = maps[:, None]
    for _ in range(2):  # along the rows, then along the columns
        found = F.conv2d(F.pad(found, (reach, reach, 0, 0), mode="replicate"), kernel).mT
    return found[:, 0]
