"""What seg-diffusion learns from images and masks: to undo the noise of a mask's latent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler
from torch import Tensor
from torch.nn import functional

from diffusers_attnmask.ground.ids import IGNORE_ID


def asked_classes(shown: Sequence[Sequence[int]], foreground: Sequence[int], absent: float) -> list[int]:
    """For each mask, by the ids in it, one to ask for: of those, or with probability `absent` another."""
    return [_asked(ids, foreground, absent) for ids in shown]


def _asked(ids: Sequence[int], foreground: Sequence[int], absent: float) -> int:
    present = [number for number in foreground if number in ids]
    others = [number for number in foreground if number not in ids]
    wants_other = float(torch.rand(())) < absent
    choices = others if (wants_other and others) or not present else present
    return choices[int(torch.randint(len(choices), ()))]


def drawn_timesteps(count: int, of: int, noisiness: float) -> Tensor:
    """Timesteps int64 (count,) from 0 to `of` - 1, with a density that grows as t^(noisiness - 1)."""
    return (of * torch.rand(count) ** (1 / noisiness)).long().clamp(max=of - 1)


def padded_pair(images: Tensor, masks: Tensor, multiple: int) -> tuple[Tensor, Tensor]:
    """Images (B, 3, H, W) and masks (B, H, W) up to multiples of a number; what is added is ignored."""
    height, width = masks.shape[-2:]
    margin = (0, -width % multiple, 0, -height % multiple)
    if not any(margin):
        return images, masks
    return functional.pad(images, margin, mode="replicate"), functional.pad(masks, margin, value=IGNORE_ID)


def counted_places(masks: Tensor, size: Sequence[int]) -> Tensor:
    """1 at the latent places (B, 1, h, w) under which no pixel of the masks (B, H, W) is ignored, else 0."""
    height, width = size
    counted = (masks != IGNORE_ID).float().unsqueeze(1)
    return (functional.adaptive_avg_pool2d(counted, (height, width)) == 1).float()


def noisy_and_target(
    scheduler: DDIMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor
) -> tuple[Tensor, Tensor]:
    """Noisy latents (B, C, h, w), and what the UNet should answer to them: the noise or the velocity."""
    noisy = scheduler.add_noise(latents, noise, timesteps)
    if scheduler.config.prediction_type == "v_prediction":
        return noisy, scheduler.get_velocity(latents, noise, timesteps)
    return noisy, noise


def squared_error(predicted: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Mean over the counted places of (B, C, h, w); 0 where there is none."""
    errors = (predicted.float() - target.float()).square().mean(dim=1, keepdim=True) * counted
    return errors.sum() / counted.sum().clamp(min=1)
