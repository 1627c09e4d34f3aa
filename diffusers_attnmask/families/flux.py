"""FLUX.1: text (T5's tokens) and image in one row; blocks with two streams, then blocks with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families.base import Call, check_tokenizer, given
from diffusers_attnmask.families.joint import (
    JointFamily,
    Part,
    by_prompt,
    carry_added_projections,
    joint_sites,
    prompts_of,
    size_by_ids,
)
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
    t5: ClassVar[str] = "tokenizer_2"
    encodings: ClassVar[int] = 2  # with `true_cfg_scale` a second one, of the negative prompt
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dataset-diffusion": {"words": "prompt", "self_pool": 2},
        "concept-attention": {"depth": (0.8, 1.0)},  # as published: 15 to 18 of 19
    }

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        def parts() -> Iterator[Part]:
            for index, block in enumerate(pipe.transformer.transformer_blocks):
                yield f"transformer_blocks.{index}.attn", block.attn, "joint", "dual", block
            for index, block in enumerate(pipe.transformer.single_transformer_blocks):
                yield f"single_transformer_blocks.{index}.attn", block.attn, "joint", "single", None

        return joint_sites(parts(), self.patch(pipe))

    def patch(self, pipe: Any) -> int:
        return 2  # the pipelines pack squares of 2 × 2 cells into one place

    def holds_prompts(self, call: Call, text: Tensor) -> bool:
        return text.data_ptr() == call.encoded[0].data_ptr()

    def latent_size(self, pipe: Any, call: Call, inputs: Mapping[str, Any]) -> tuple[int, int]:
        return size_by_ids(call, inputs["img_ids"])

    def splits(self, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
        prompts = prompts_of(arguments, "prompt_2", "prompt")
        if prompts is None:
            return None
        check_tokenizer(pipe, self.t5)
        tokenizer = getattr(pipe, self.t5)
        limit = arguments.get("max_sequence_length") or 512
        expand = expansion(pipe, tokenizer)
        return by_prompt([[split_prompt(tokenizer, text, expand, limit) for text in prompts]])

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
