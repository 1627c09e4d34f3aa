"""The noise that a mask's latent begins as: plain, or the sum of several resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor
from torch.nn import functional

NOISES = ("gaussian", "pyramid")
PYRAMID_LEVELS = 6  # as published
DISCOUNT = 0.9  # share of each level in the next coarser one (Whitaker, "Multi-resolution noise", 2023)

Generators = torch.Generator | list[torch.Generator] | None


def draw_noise(
    kind: str,
    shape: Sequence[int],
    generator: Generators,
    device: torch.device | str,
    dtype: torch.dtype,
) -> Tensor:
    """Noise (B, C, h, w) of a kind; a list of generators gives each sample of the batch its own."""
    if kind not in NOISES:
        raise ValueError(f"noise is one of {', '.join(NOISES)}, not {kind!r}")
    noise = randn_tensor(shape, generator, device, torch.float32)
    return (noise if kind == "gaussian" else _with_coarse_levels(noise, generator)).to(dtype)


def _with_coarse_levels(noise: Tensor, generator: Generators) -> Tensor:
    """Noise at half the resolution, a quarter and so on, added to (B, C, h, w); of unit variance.

    The variance is divided by what it is expected to be, not by what it came out as: one sample does not
    depend on the others of its batch.
    """
    batch, channels, height, width = noise.shape
    variance = 1.0
    for level in range(1, PYRAMID_LEVELS):
        size = (height >> level, width >> level)
        if min(size) < 1:
            break
        coarse = randn_tensor((batch, channels, *size), generator, noise.device, noise.dtype)
        noise = noise + DISCOUNT**level * functional.interpolate(coarse, size=(height, width), mode="nearest")
        variance += DISCOUNT ** (2 * level)
    return noise / variance**0.5
