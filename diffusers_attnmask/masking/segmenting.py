"""Masks of an existing image: add noise to it, look at it once or a few times, read the attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

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
    """Masks of images that exist already, by one pass of the model for each of a few amounts of noise.

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
    """One pass for each amount of noise up to `strength`, the noisiest first, without guidance, for a
    trace.
    """
    family = check_supported(pipe)
    noise = randn_tensor(latents.shape, generator, latents.device, latents.dtype)
    conditions = family.conditions(pipe, prompts, size)
    for look in range(looks, 0, -1):
        family.look(pipe, latents, noise, strength * look / looks, conditions)


@torch.no_grad()
def encoded_image(pipe: Any, image: Any, count: int) -> tuple[Tensor, tuple[int, int], list]:
    """Latents (B, C, h, w) of `count` images, their size in pixels, and the images in a list."""
    pixels = pipe.image_processor.preprocess(image)
    if len(pixels) != count:
        raise ValueError(f"there are {len(pixels)} images and {count} prompts: give one prompt per image")
    family = check_supported(pipe)
    denoiser = family.denoiser(pipe)
    family.check_plain_input(pipe)
    with vae_in_reach_of_large_values(pipe.vae) as vae:
        latents = family.encoded_pixels(pipe, pixels.to(pipe._execution_device, vae.dtype))
    batched = isinstance(image, list | tuple) or getattr(image, "ndim", 3) == 4
    pictures = list(image) if batched else [image]
    return latents.to(denoiser.dtype), size_of(pictures[0]), pictures


def size_of(picture: Any) -> tuple[int, int]:
    """Height and width of a PIL picture, an array (H, W, C) or a tensor (C, H, W)."""
    if isinstance(picture, Image.Image):
        return picture.height, picture.width
    height, width = picture.shape[-2:] if isinstance(picture, Tensor) else picture.shape[:2]
    return height, width


@contextmanager
def vae_in_reach_of_large_values(vae: Any) -> Iterator[Any]:
    """SDXL's autoencoder overflows in float16: it works in float32 meanwhile, and is put back in any case."""
    upcast = vae.dtype == torch.float16 and vae.config.get("force_upcast")
    if upcast:
        vae.to(torch.float32)
    try:
        yield vae
    finally:
        if upcast:
            vae.to(torch.float16)


def resized(heatmaps: Tensor, size: tuple[int, int]) -> Tensor:
    """Class maps (C, H, W) at the size of the image, where the autoencoder saw it at another."""
    if tuple(heatmaps.shape[-2:]) == tuple(size):
        return heatmaps
    return F.interpolate(heatmaps[None], size=tuple(size), mode="bilinear", align_corners=False)[0]
