"""Stage 1: the autoencoder, trained on crops (whole images learn colours far more slowly per second)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from tqdm import trange

from diffusers_attnmask.ground.options import Count, NotNegative, Seed, options
from tiny_world.training import checkpoint, parallel
from tiny_world.training.data import rendered
from tiny_world.training.schedule import learning_rate


@options
class AutoencoderRecipe:
    steps: Count = 2800
    batch: Count = 16
    crop: Count = 64
    learning_rate: NotNegative = 1.5e-3
    kl_weight: NotNegative = 2e-4
    images: Count = 6000
    seed: Seed = 0


def new_autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        latent_channels=4,
        norm_num_groups=8,
        sample_size=128,
        mid_block_add_attention=False,
    )


def crops(images: np.ndarray, count: int, size: int, rng: np.random.Generator) -> torch.Tensor:
    """Random crops, half of them mirrored, as float32 (count, 3, size, size) in [-1, 1]."""
    chosen = rng.integers(0, len(images), count)
    tops, lefts = rng.integers(0, images.shape[1] - size + 1, (2, count))
    cut = [images[i, y : y + size, x : x + size] for i, y, x in zip(chosen, tops, lefts, strict=True)]
    batch = torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return torch.where(torch.from_numpy(rng.random((count, 1, 1, 1)) < 0.5), batch.flip(3), batch)


def _edges(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of pixels and, for crisp outlines, of their differences."""
    edges = sum(F.l1_loss(a, b) for a, b in zip(_edges(output), _edges(target), strict=True))
    return F.l1_loss(output, target) + 0.5 * edges


def train_autoencoder(folder: Path, recipe: AutoencoderRecipe = AutoencoderRecipe()) -> None:
    """Train, or finish training, and save to ``folder/vae``."""
    rank, processes = parallel.join()
    torch.manual_seed(recipe.seed)
    vae = new_autoencoder()
    optimizer = torch.optim.AdamW(
        vae.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    first = 0
    if (folder / "autoencoder.pt").exists():
        state = checkpoint.load(folder / "autoencoder.pt")
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    images, _ = rendered(recipe.images)
    bar = trange(
        first,
        recipe.steps,
        initial=first,
        total=recipe.steps,
        desc="autoencoder",
        mininterval=10,
        disable=rank > 0,
    )
    for step in bar:
        rng = np.random.default_rng((recipe.seed, step, rank))
        batch = crops(images, recipe.batch // processes, recipe.crop, rng)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(batch).latent_dist
            output = vae.decode(posterior.sample()).sample
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        error = reconstruction_loss(output.float(), batch)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.steps, recipe.learning_rate)
        optimizer.zero_grad()
        (error + recipe.kl_weight * kl).backward()
        parallel.average_gradients(vae)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 50 == 0 and rank == 0:
            print(f"step {step + 1} loss {error.item():.4f} kl {kl.item():.3f}", flush=True)
        if ((step + 1) % 500 == 0 or step + 1 == recipe.steps) and rank == 0:
            states = {"model": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            checkpoint.save(folder / "autoencoder.pt", states)
    if rank == 0:
        vae.eval().save_pretrained(folder / "vae")
    parallel.wait()
