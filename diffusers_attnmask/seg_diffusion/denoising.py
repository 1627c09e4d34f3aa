"""From noise to the latents of masks, beside that of their image."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable

import torch
from diffusers import SchedulerMixin, UNet2DConditionModel
from torch import Tensor

from diffusers_attnmask.seg_diffusion.noise import draw_noise

FEW_STEPS = 4
NOISE_ALONE = 0.95  # share of the timesteps past which a latent is taken for noise


def member_seeds(count: int, generator: torch.Generator | None) -> list[int]:
    """One seed for each member of an ensemble: all that chance decides about it."""
    device = generator.device if generator is not None else "cpu"
    return torch.randint(2**63 - 1, (count,), generator=generator, device=device).tolist()


def denoised(
    unet: UNet2DConditionModel,
    scheduler: SchedulerMixin,
    image_latents: Tensor,
    text: Tensor,
    steps: int,
    noise: str,
    generators: list[torch.Generator],
    step_done: Callable[[int], object],
) -> Tensor:
    """Mask latents (B, C, h, w) beside image latents of the same shape, from noise of each generator.

    text: (B, T, D). step_done is told the number of samples after every step.
    """
    scheduler.set_timesteps(steps, device=image_latents.device)
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    extra = {"generator": generators} if takes_generator else {}
    latents = draw_noise(noise, image_latents.shape, generators, image_latents.device, image_latents.dtype)
    latents = latents * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        both = torch.cat([image_latents, scheduler.scale_model_input(latents, timestep)], dim=1)
        predicted = unet(both, timestep, encoder_hidden_states=text, return_dict=False)[0]
        latents = scheduler.step(predicted, timestep, latents, **extra, return_dict=False)[0]
        latents = latents.to(image_latents.dtype)
        step_done(len(latents))
    return latents


def warn_of_a_late_start(scheduler: SchedulerMixin, steps: int) -> None:
    """Few steps must begin where masks are noise alone; schedules that begin later fit many steps."""
    scheduler.set_timesteps(steps)
    first, last = int(scheduler.timesteps[0]), scheduler.config.num_train_timesteps - 1
    if steps <= FEW_STEPS and first < NOISE_ALONE * last:
        warnings.warn(
            f"{steps} steps begin at timestep {first} of {last}, where masks are not noise yet: choose a "
            'scheduler with timestep_spacing="trailing", or more denoising_steps',
            UserWarning,
            stacklevel=4,  # the caller of the pipeline, past torch's decorator
        )
