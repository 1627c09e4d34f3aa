"""Sana and Sana-Sprint: linear attention among the image's places, softmax attention to Gemma's tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.sites import Kind
from diffusers_attnmask.families.cross import CrossFamily
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt

GUIDANCE = 4.5  # of a look at an existing image with Sprint, as the pipelines' default


class Sana(CrossFamily):
    """Self-attention is linear here: no place is compared with another, so there is nothing to read of it."""

    name: ClassVar[str] = "Sana"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "SanaControlNetPipeline",
            "SanaPAGPipeline",
            "SanaPipeline",
            "SanaSprintImg2ImgPipeline",
            "SanaSprintPipeline",
        }
    )
    attention: ClassVar[Mapping[str, Kind]] = {"attn2": "cross"}

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        """The model reads the start token and, of an instruction before the prompt, the last token."""
        limit = arguments.get("max_sequence_length") or 300
        instruction = "\n".join(arguments.get("complex_human_instruction") or ())
        dropped = len(pipe.tokenizer.encode(instruction)) - 2 if instruction else 0
        return split_prompt(
            pipe.tokenizer,
            text,
            limit=dropped + limit,
            offset=-dropped,
            template=f"{pipe.tokenizer.bos_token}{instruction}{{}}",
        )

    def words_as_keys(self, pipe: Any, contexts: Tensor) -> Tensor:
        return pipe.transformer.caption_norm(pipe.transformer.caption_projection(contexts))

    def encoded_pixels(self, pipe: Any, pixels: Tensor) -> Tensor:
        return pipe.vae.encode(pixels).latent * pipe.vae.config.scaling_factor

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        """Sprint's trigonometric path, rescaled as its denoiser takes it, is the straight one."""
        config = pipe.transformer.config
        if config.guidance_embeds:
            guidance = torch.full((len(noisy),), GUIDANCE * config.guidance_embeds_scale)
            super().denoise(pipe, noisy, sigma, {**conditions, "guidance": guidance.to(noisy)})
        else:
            super().denoise(pipe, noisy, sigma * 1000 * config.timestep_scale, conditions)
