"""Masks of an existing image: add noise to it, look at it once or a few times, read the attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from diffusers.utils.torch_utils import randn_tensor
from pydantic import Field
from torch import Tensor

from diffusers_attnmask.families import check_supported
from diffusers_attnmask.ground.images import at_size, padded, resized_to, rgb_images
from diffusers_attnmask.ground.options import MOST_SIDE, Share, options
from diffusers_attnmask.ground.typed import choice
from diffusers_attnmask.instances.options import InstanceOptions, instance_options
from diffusers_attnmask.masking.call_values import check_texts
from diffusers_attnmask.masking.instances import told_apart
from diffusers_attnmask.masking.output import DiffuMaskPipelineOutput, packed_masks
from diffusers_attnmask.masking.presence import (
    DropAbsent,
    least_presence,
    mask_of_present,
    warn_of_absent,
)
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.words.classes import classes_per_prompt, has_own_lists


@options(kw_only=True)
class Looks:
    """Options of `segment`, which explains them; checked as they are made."""

    strength: Share
    looks: Annotated[int, Field(ge=1, le=1000)]
    output_type: Literal["pil", "np", "pt", "latent"]
    processing_res: Annotated[int, Field(ge=0, le=MOST_SIDE)] | None


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
    processing_res: int | None = None,
    instances: str | InstanceOptions = "components",
    drop_absent: DropAbsent = None,
) -> DiffuMaskPipelineOutput:
    """Masks of images that exist already, by one pass of the model for each of a few amounts of noise.

    image: a PIL picture of any mode, an array (H, W, 3), uint8 or float in [0, 1], a tensor (3, H, W) in
    [0, 1], or a list of them of one size, one per prompt.
    strength: how much noise the strongest look sees, from 0 (none) to 1 (all); the looks are spread evenly up
    to it. processing_res: the longer side at which an image is seen, None for the model's own, 0 for the
    image's. instances, drop_absent: as in the pipeline's call. Returns what that returns: masks uint8 (H, W)
    and class maps float32 (classes, H, W) in [0, 1] of the images' size.
    """
    Looks(strength=strength, looks=looks, output_type=choice(output_type), processing_res=processing_res)
    method = pipe.mask_settings.resolve(mask_method, check_supported(pipe), mask_options)
    method = replace(method, steps=(0.0, 1.0))  # looks are no part of a sampling
    check_texts(prompt)
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    specs = classes_per_prompt(classes, len(prompts))
    sampled = pipe.sampling_prompts(method, specs, {"prompt": prompts})["prompt"]
    seen = encoded_images(pipe, image, len(prompts), processing_res)
    how, least = instance_options(instances), least_presence(drop_absent)
    with AttentionTrace(pipe, list(map(list, specs)), [method], steps=looks, how=how) as traced:
        denoise_once(pipe, seen.latents, sampled, seen.size, strength, looks, generator)
    pipe.maybe_free_model_hooks()
    heatmaps = [seen.back(maps) for maps in traced.heatmaps]
    presence = traced.presence()
    read = zip(heatmaps, traced.class_names, presence, strict=True)
    ids = [mask_of_present(method, *own, least) for own in read]
    if drop_absent is None:
        warn_of_absent(presence, traced.class_names)
    names = traced.class_names if has_own_lists(classes) else traced.class_names[0]
    masks = packed_masks(ids, output_type)
    objects = told_apart(traced.records, method, how, ids, heatmaps, seen.back)
    return DiffuMaskPipelineOutput(
        seen.pictures,
        masks,
        heatmaps,
        names,
        skipped_maps=traced.skipped_maps,
        instances=objects,
        presence=presence,
    )


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


@dataclass(frozen=True, eq=False)
class SeenImages:
    """Images as the model sees them.

    latents: (B, C, h, w). pictures: as they were given. size: height and width at which they are seen, before
    padding; own: of the pictures.
    """

    latents: Tensor
    pictures: list
    size: tuple[int, int]
    own: tuple[int, int]

    def back(self, maps: Tensor) -> Tensor:
        """Class maps (C, H, W) of what was seen, without its padding, at the pictures' size."""
        return at_size(maps[:, : self.size[0], : self.size[1]], self.own)


@torch.no_grad()
def encoded_images(pipe: Any, image: Any, count: int, processing_res: int | None = None) -> SeenImages:
    """The latents of `count` images, seen with a longer side of `processing_res` pixels."""
    images = rgb_images(image)
    if len(images) != count:
        raise ValueError(f"there are {len(images)} images and {count} prompts: give one prompt per image")
    sizes = {(pixels.shape[1], pixels.shape[2]) for pixels in images}
    if len(sizes) > 1:
        shown = ", ".join(f"{width}×{height}" for height, width in sorted(sizes))
        raise ValueError(
            f"the images have sizes {shown}: give those of one size together, others in a further call"
        )
    family = check_supported(pipe)
    family.check_plain_input(pipe)
    longest = family.native_side(pipe) if processing_res is None else processing_res
    seen = [resized_to(pixels, longest) for pixels in images]
    whole = torch.stack([padded(pixels, family.side_multiple(pipe)) for pixels in seen]) * 2 - 1
    with vae_in_reach_of_large_values(pipe.vae) as vae:
        latents = family.encoded_pixels(pipe, whole.to(pipe._execution_device, vae.dtype))
    batched = isinstance(image, list | tuple) or getattr(image, "ndim", 3) == 4
    return SeenImages(
        latents.to(family.denoiser(pipe).dtype),
        list(image) if batched else [image],
        (seen[0].shape[1], seen[0].shape[2]),
        sizes.pop(),
    )


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
