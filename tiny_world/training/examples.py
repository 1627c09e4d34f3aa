"""What the denoiser learns from: latents of rendered images, and their captions."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from tqdm import tqdm

from tiny_world.training import checkpoint
from tiny_world.training.data import rendered


def prepare_examples(folder: Path, count: int, first_seed: int, sizes: Collection[int]) -> None:
    """Render and encode once: latents at every size and captions go to ``folder/examples.pt``.

    The scale of the full-size latents goes into the VAE, so that they come out standardized.
    """
    path = folder / "examples.pt"
    if path.exists():
        return
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    images, captions = rendered(count, first_seed)
    latents = encode_images(vae, images)
    standardize(vae, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
    vae.save_pretrained(folder / "vae")
    save_examples(path, vae, images, captions, sizes)


def save_examples(
    path: Path, vae: AutoencoderKL, images: np.ndarray, captions: list[str], sizes: Collection[int]
) -> None:
    latents = {size: encode_images(vae, shrunk(images, size)).half() for size in sizes}
    checkpoint.save(path, {"latents": latents, "captions": captions})


@torch.no_grad()
def encode_images(vae: AutoencoderKL, images: np.ndarray, batch: int = 64) -> torch.Tensor:
    """Latents float32 (N, 4, S/4, S/4) of images uint8 (N, S, S, 3)."""
    latents = []
    for start in tqdm(range(0, len(images), batch), desc="latents", mininterval=10):
        pixels = torch.from_numpy(images[start : start + batch]).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16):
            latents.append(vae.encode(pixels).latent_dist.mean.float())
    return torch.cat(latents)


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """Images uint8 (N, S, S, 3) to (N, size, size, 3), each pixel the mean of those it replaces."""
    factor = images.shape[1] // size
    blocks = images.reshape(len(images), size, factor, size, factor, 3)
    return np.stack([block.mean((1, 3)).round() for block in blocks]).astype(np.uint8)


@torch.no_grad()
def standardize(vae: AutoencoderKL, mean: torch.Tensor, spread: torch.Tensor) -> None:
    """Give the latents mean 0 and spread 1 per channel, both (4,), by the two 1×1 convolutions around them.

    Every channel then meets the same signal-to-noise ratio.
    """
    into, out = vae.quant_conv, vae.post_quant_conv  # into gives means, then log-variances
    into.weight[:4] /= spread[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / spread
    into.bias[4:] -= 2 * spread.log()
    out.bias += out.weight[..., 0, 0] @ mean
    out.weight *= spread[None, :, None, None]
    vae.register_to_config(scaling_factor=1.0)
