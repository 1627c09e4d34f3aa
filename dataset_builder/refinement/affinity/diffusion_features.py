"""The diffusion model's own decoder features: an input for AffinityNet that needs no outside weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffusers_attnmask.masking.segmenting import denoise_once, encoded_images


def decoder_features(
    pipe: Any,
    images: Any,
    prompts: Sequence[str],
    *,
    block: int = -1,
    strength: float = 0.1,
    generator: torch.Generator | list[torch.Generator] | None = None,
) -> Tensor:
    """Features (B, D, h, w) of images, one per prompt, by one pass of a loaded pipeline's UNet.

    `images` as in the pipeline's `segment`. `block` counts the decoder's blocks from the coarsest one; the
    last one has the resolution of the latents. `strength` is how much noise the pass sees, from 0 to 1.
    """
    blocks = pipe.unet.up_blocks
    if not -len(blocks) <= block < len(blocks):
        raise ValueError(f"block={block}: the decoder has {len(blocks)} blocks")
    seen = encoded_images(pipe, images, len(prompts), processing_res=0)
    found: list[Tensor] = []
    handle = blocks[block].register_forward_hook(lambda module, inputs, output: found.append(output))
    try:
        denoise_once(pipe, seen.latents, list(prompts), seen.size, strength, 1, generator)
    finally:
        handle.remove()
    return found[-1].float()
