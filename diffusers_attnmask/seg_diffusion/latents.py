"""Pictures to the autoencoder's latents and back."""

from __future__ import annotations

from diffusers import AutoencoderKL
from torch import Tensor


def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Scaled latents (B, C, h, w), without chance, of pictures (B, 3, H, W) in [-1, 1]."""
    return vae.encode(pictures.to(vae.dtype)).latent_dist.mode() * vae.config.scaling_factor


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pictures float32 (B, 3, H, W) in about [-1, 1] of scaled latents (B, C, h, w)."""
    latents = latents.to(vae.dtype) / vae.config.scaling_factor
    return vae.decode(latents, return_dict=False)[0].float()
