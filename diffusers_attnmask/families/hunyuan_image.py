"""HunyuanImage 2.1: image, then text: a glyph encoder's tokens, Qwen2.5-VL's, and what is padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Layout
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site, grid_at
from diffusers_attnmask.families.base import Call, check_tokenizer
from diffusers_attnmask.families.joint import JointFamily, Part, by_prompt, joint_sites, prompts_of
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt

GUIDANCE = 3.25  # of a look at an existing image by a distilled model, as the pipeline's default


class HunyuanImage(JointFamily):
    """Text is refined with the time and the mean of all its tokens, in which words beside it have no part."""

    name: ClassVar[str] = "HunyuanImage"
    pipelines: ClassVar[frozenset[str]] = frozenset({"HunyuanImagePipeline"})
    text_first: ClassVar[bool] = False
    conditional: ClassVar[str] = "pred_cond"
    encodings: ClassVar[int] = 2  # with guidance a second one, of the negative prompt
    default_method: ClassVar[str] = "daam"
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dataset-diffusion": {"words": "prompt", "self_pool": 2},
    }

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        def parts() -> Iterator[Part]:
            for index, block in enumerate(pipe.transformer.transformer_blocks):
                yield f"transformer_blocks.{index}.attn", block.attn, "joint", "dual", None
            for index, block in enumerate(pipe.transformer.single_transformer_blocks):
                yield f"single_transformer_blocks.{index}.attn", block.attn, "joint", "single", None

        return joint_sites(parts(), self.patch(pipe))

    def patch(self, pipe: Any) -> int:
        return pipe.transformer.config.patch_size[0]

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        passing = super().read_pass(pipe, call, inputs, context)
        if passing is None or pipe.transformer.context_embedder_2 is None:
            return passing
        mask = inputs["encoder_attention_mask_2"]
        if mask.data_ptr() not in call.lengths:
            call.lengths[mask.data_ptr()] = tuple(mask[passing.rows].sum(1).tolist())
        return replace(passing, text_lengths=call.lengths[mask.data_ptr()])

    def layout(self, site: Site, passing: Pass) -> Layout:
        """The prompt's tokens begin behind the glyphs', of which each image has a number of its own."""
        grid = grid_at(passing.latent_size, site.stride)
        places = grid[0] * grid[1]
        glyphs = tuple(places + length for length in passing.text_lengths)
        return Layout(grid, 0, glyphs or places, passing.text_tokens)

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.text_embed_dim

    def splits(self, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
        prompts = prompts_of(arguments, "prompt")
        if prompts is None:
            return None
        check_tokenizer(pipe, "tokenizer")
        dropped, template = pipe.prompt_template_encode_start_idx, pipe.prompt_template_encode
        limit = dropped + pipe.tokenizer_max_length
        return by_prompt(
            [
                [
                    split_prompt(pipe.tokenizer, text, limit=limit, offset=-dropped, template=template)
                    for text in prompts
                ]
            ]
        )

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        embeds, *_ = encode_prompt(list(texts), device=arguments.get("device"), batch_size=len(texts))
        return list(embeds)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, mask, glyphs, glyph_mask = pipe.encode_prompt(
            list(prompts), device=pipe._execution_device, batch_size=len(prompts)
        )
        dtype = pipe.transformer.dtype
        return {
            "encoder_hidden_states": embeds.to(dtype),
            "encoder_attention_mask": mask,
            "encoder_hidden_states_2": glyphs.to(dtype),
            "encoder_attention_mask_2": glyph_mask,
        }

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        config, timestep = pipe.transformer.config, torch.full((len(noisy),), sigma * 1000).to(noisy)
        pipe.transformer(
            hidden_states=noisy,
            timestep=timestep,
            timestep_r=torch.zeros_like(timestep) if config.use_meanflow else None,
            guidance=torch.full_like(timestep, GUIDANCE * 1000) if config.guidance_embeds else None,
            return_dict=False,
            **conditions,
        )
