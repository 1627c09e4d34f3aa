"""Stable Diffusion 1.x and 2.x: a UNet that reads one text encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from diffusers_attnmask.attention.layers import AttentionLayer, attention_layers
from diffusers_attnmask.families.base import Family


class StableDiffusion(Family):
    name: ClassVar[str] = "Stable Diffusion 1.x and 2.x"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "LatentConsistencyModelImg2ImgPipeline",
            "LatentConsistencyModelPipeline",
            "StableDiffusionAdapterPipeline",
            "StableDiffusionControlNetImg2ImgPipeline",
            "StableDiffusionControlNetInpaintPipeline",
            "StableDiffusionControlNetPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionInpaintPipeline",
            "StableDiffusionPipeline",
        }
    )
    prompts: ClassVar[Mapping[str, str]] = {"tokenizer": "prompt"}  # which prompt each tokenizer reads

    def denoiser(self, pipe: Any) -> nn.Module:
        return pipe.unet

    def layers(self, pipe: Any) -> Sequence[AttentionLayer]:
        return attention_layers(pipe.unet)

    def texts(self, pipe: Any, arguments: Mapping[str, Any]) -> list[tuple[Any, list[str]]] | None:
        if arguments.get("prompt") is None:
            return None
        texts = []
        for tokenizer, name in self.prompts.items():
            prompt = arguments.get(name) or arguments["prompt"]
            if getattr(pipe, tokenizer) is not None:
                texts.append(
                    (getattr(pipe, tokenizer), [prompt] if isinstance(prompt, str) else list(prompt))
                )
        return texts

    def encode(self, encode_prompt: Callable, arguments: Mapping[str, Any], text: str) -> Tensor:
        settings = {name: arguments.get(name) for name in ("device", "lora_scale", "clip_skip")}
        embeds, *_ = encode_prompt(
            prompt=text, num_images_per_prompt=1, do_classifier_free_guidance=False, **settings
        )
        return embeds[0]

    def context_width(self, pipe: Any) -> int:
        return pipe.unet.config.cross_attention_dim

    def step_arguments(self, pipe: Any, prompt: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, *_ = self.encoded(pipe, prompt)
        return {"encoder_hidden_states": embeds, "timestep_cond": self.guidance_embedding(pipe, embeds)}

    def encoded(self, pipe: Any, prompt: Sequence[str]) -> tuple:
        return pipe.encode_prompt(
            prompt=list(prompt),
            device=pipe._execution_device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )

    def guidance_embedding(self, pipe: Any, embeds: Tensor) -> Tensor | None:
        """Models distilled for guidance (LCM) are told a scale; 1 means none."""
        width = pipe.unet.config.time_cond_proj_dim
        if width is None:
            return None
        scales = torch.zeros(len(embeds))  # scale − 1, as the pipelines pass it
        return pipe.get_guidance_scale_embedding(scales, embedding_dim=width).to(embeds)
