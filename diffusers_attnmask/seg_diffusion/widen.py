"""A text-to-image UNet that takes a second latent beside the one that it denoises."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import nn


def widen(unet: UNet2DConditionModel, copies: int = 2) -> UNet2DConditionModel:
    """Let the first convolution of `unet` take `copies` latents; changes the UNet in place and returns it.

    Its weights are repeated and divided by the number of copies, so that it answers to equal latents as
    before (Marigold, Ke et al., CVPR 2024). A UNet that is wide enough already stays as it is.
    """
    latent = unet.config.out_channels
    if unet.config.in_channels == copies * latent:
        return unet
    if unet.config.in_channels != latent:
        raise ValueError(
            f"the UNet takes {unet.config.in_channels} channels and returns {latent}: only a plain "
            "text-to-image UNet can be widened, not one for inpainting or editing"
        )
    narrow = unet.conv_in
    wide = nn.Conv2d(
        copies * narrow.in_channels,
        narrow.out_channels,
        narrow.kernel_size,
        narrow.stride,
        narrow.padding,
        bias=narrow.bias is not None,
        device=narrow.weight.device,
        dtype=narrow.weight.dtype,
    )
    with torch.no_grad():
        wide.weight.copy_(narrow.weight.repeat(1, copies, 1, 1) / copies)
        if wide.bias is not None:
            wide.bias.copy_(narrow.bias)
    unet.conv_in = wide
    unet.register_to_config(in_channels=copies * latent)
    return unet
