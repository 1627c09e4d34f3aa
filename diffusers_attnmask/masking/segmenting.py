"""Masks of an existing image: add noise to it, look at it once or a few times, read the attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking.output import DiffuMaskPipelineOutput, packed_masks
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.words.classes import classes_per_prompt, has_own_lists


def segment(
    pipe: Any,
    image: Any,
    prompt: str | list[str],
    classes: Sequence | Mapping,
    *,
    strength: float = 0.3,
    looks: int = 1,
    mask_method: str | MaskMethod | None = None,
    mask_options: Mapping[str, Any] | None = None,
    generator: torch.Generator | list[torch.Generator] | None = None,
    output_type: str = "pil",
) -> DiffuMaskPipelineOutput:
    """Masks of images that exist already, by one UNet pass for each of a few amounts of noise.

    image: PIL, array or tensor, or a list of them, one per prompt. strength: how much noise the strongest
    look sees, from 0 (none) to 1 (all); the looks are spread evenly up to it. Masks have the images' size.
    """
    if not 0 <= strength <= 1 or looks < 1:
        raise ValueError(f"strength={strength} must be in [0, 1] and looks={looks} at least 1")
    method = pipe.mask_settings.resolve(mask_method, check_supported(pipe), mask_options)
    method = replace(method, steps=(0.0, 1.0))  # looks are no part of a sampling
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    specs = classes_per_prompt(classes, len(prompts))
    sampled = pipe.sampling_prompts(method, specs, {"prompt": prompts})["prompt"]
    latents, size, pictures = encoded_image(pipe, image, len(prompts))
    with AttentionTrace(pipe, list(map(list, specs)), [method], steps=looks) as traced:
        denoise_once(pipe, latents, sampled, size, strength, looks, generator)
    pipe.maybe_free_model_hooks()
    heatmaps = [resized(maps, size) for maps in traced.heatmaps]
    ids = [method.mask(maps, names) for maps, names in zip(heatmaps, traced.class_names, strict=True)]
    names = traced.class_names if has_own_lists(classes) else traced.class_names[0]
    masks = packed_masks(ids, output_type)
    return DiffuMaskPipelineOutput(pictures, masks, heatmaps, names, skipped_maps=traced.skipped_maps)


@torch.no_grad()
def denoise_once(
    pipe: Any,
    latents: Tensor,
    prompts: Sequence[str],
    size: tuple[int, int],
    strength: float,
    looks: int,
    generator: torch.Generator | list[torch.Generator] | None,
) -> None:
    """One UNet pass for each amount of noise up to `strength`, without guidance, for a trace to hear."""
    family = check_supported(pipe)
    noise = randn_tensor(latents.shape, generator, latents.device, latents.dtype)
    arguments = family.step_arguments(pipe, prompts, size)
    for timestep in timesteps_up_to(strength, looks, pipe.scheduler.config.num_train_timesteps):
        noisy = noised(latents, noise, pipe.scheduler.alphas_cumprod[timestep])
        family.denoiser(pipe)(noisy, timestep, return_dict=False, **arguments)


@torch.no_grad()
def encoded_image(pipe: Any, image: Any, count: int) -> tuple[Tensor, tuple[int, int], list]:
    """Latents (B, C, h, w) of `count` images, their size in pixels, and the images in a list."""
    vae = pipe.vae
    pixels = pipe.image_processor.preprocess(image)
    if len(pixels) != count:
        raise ValueError(f"there are {len(pixels)} images and {count} prompts: give one prompt per image")
    channels = pipe.unet.config.in_channels
    if channels != vae.config.latent_channels:
        raise ValueError(
            f"the UNet takes {channels} channels: an inpainting model cannot look at plain images"
        )
    upcast = vae.dtype == torch.float16 and vae.config.force_upcast  # SDXL's overflows in float16
    if upcast:
        vae.to(torch.float32)
    latents = vae.encode(pixels.to(pipe._execution_device, vae.dtype)).latent_dist.mode()
    if upcast:
        vae.to(torch.float16)
    pictures = list(image) if isinstance(image, list | tuple | Tensor | np.ndarray) and count > 1 else [image]
    first = pictures[0]
    size = (first.height, first.width) if isinstance(first, Image.Image) else tuple(pixels.shape[-2:])
    return (latents * vae.config.scaling_factor).to(pipe.unet.dtype), size, pictures


def timesteps_up_to(strength: float, looks: int, train_steps: int) -> list[int]:
    """Evenly spread timesteps, the noisiest first, as sampling goes."""
    last = strength * (train_steps - 1)
    return [round(last * look / looks) for look in range(looks, 0, -1)]


def noised(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """The forward process at the noise level whose cumulative α is given (Ho et al. 2020, eq. 4)."""
    alpha = alpha.to(latents)
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise


def resized(heatmaps: Tensor, size: tuple[int, int]) -> Tensor:
    """Class maps (C, H, W) at the size of the image, where the autoencoder saw it at another."""
    if tuple(heatmaps.shape[-2:]) == tuple(size):
        return heatmaps
    return F.interpolate(heatmaps[None], size=tuple(size), mode="bilinear", align_corners=False)[0]
