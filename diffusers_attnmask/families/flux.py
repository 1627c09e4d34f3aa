"""FLUX.1: text (T5's tokens) and image in one row; blocks with two streams, then blocks with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families.base import Call, given
from diffusers_attnmask.families.joint import JointFamily, carry_added_projections, size_by_ids
from diffusers_attnmask.words.alignment import SplitPrompt, expansion, split_prompt

GUIDANCE = 3.5  # of a look at an existing image, as the pipelines' default


class Flux(JointFamily):
    name: ClassVar[str] = "FLUX.1"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "FluxControlImg2ImgPipeline",
            "FluxControlInpaintPipeline",
            "FluxControlNetImg2ImgPipeline",
            "FluxControlNetInpaintPipeline",
            "FluxControlNetPipeline",
            "FluxControlPipeline",
            "FluxFillPipeline",
            "FluxImg2ImgPipeline",
            "FluxInpaintPipeline",
            "FluxKontextInpaintPipeline",
            "FluxKontextPipeline",
            "FluxPipeline",
        }
    )
    stacks: ClassVar[Mapping[str, str]] = {
        "transformer_blocks": "dual",
        "single_transformer_blocks": "single",
    }
    tokenizer: ClassVar[str] = "tokenizer_2"
    prompts: ClassVar[tuple[str, ...]] = ("prompt_2", "prompt")
    encodes_to_length: ClassVar[bool] = True
    encodings: ClassVar[int] = 2  # with `true_cfg_scale` a second one, of the negative prompt
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **JointFamily.defaults,
        "concept-attention": {"depth": (0.8, 1.0)},  # as published: 15 to 18 of 19
    }

    def patch(self, pipe: Any) -> int:
        return 2  # the pipelines pack squares of 2 × 2 cells into one place

    def holds_prompts(self, call: Call, text: Tensor) -> bool:
        return text.data_ptr() == call.encoded[0].data_ptr()

    def latent_size(self, pipe: Any, call: Call, inputs: Mapping[str, Any]) -> tuple[int, int]:
        return size_by_ids(call, inputs["img_ids"])

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        tokenizer = getattr(pipe, self.tokenizer)
        limit = arguments.get("max_sequence_length") or 512
        return split_prompt(tokenizer, text, expansion(pipe, tokenizer), limit)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        settings = given(arguments, "device", "max_sequence_length", "lora_scale")
        embeds, *_ = encode_prompt(prompt=list(texts), prompt_2=None, **settings)
        return list(embeds)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, pooled, text_ids = pipe.encode_prompt(
            prompt=list(prompts), prompt_2=None, device=pipe._execution_device
        )
        guidance = None
        if pipe.transformer.config.guidance_embeds:
            guidance = torch.full((len(embeds),), GUIDANCE, device=embeds.device)
        return {
            "encoder_hidden_states": embeds,
            "pooled_projections": pooled,
            "txt_ids": text_ids,
            "guidance": guidance,
        }

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        batch, channels, height, width = noisy.shape
        pipe.transformer(
            hidden_states=pipe._pack_latents(noisy, batch, channels, height, width),
            timestep=torch.full((batch,), sigma, device=noisy.device),
            img_ids=pipe._prepare_latent_image_ids(batch, height // 2, width // 2, noisy.device, noisy.dtype),
            return_dict=False,
            **conditions,
        )

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        assert site.block is not None
        return carry_added_projections(site.block, words, look, inputs["temb"][look.rows], hidden)
