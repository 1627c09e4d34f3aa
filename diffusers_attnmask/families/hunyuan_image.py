"""HunyuanImage 2.1: image, then text: a glyph encoder's tokens, Qwen2.5-VL's, and what is padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Layout
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site, grid_at
from diffusers_attnmask.families.base import Call
from diffusers_attnmask.families.joint import JointFamily
from diffusers_attnmask.families.transformer import split_after_template
from diffusers_attnmask.words.alignment import SplitPrompt

GUIDANCE = 3.25  # of a look at an existing image by a distilled model, as the pipeline's default


class HunyuanImage(JointFamily):
    """Text is refined with the time and the mean of all its tokens, in which words beside it have no part."""

    name: ClassVar[str] = "HunyuanImage"
    pipelines: ClassVar[frozenset[str]] = frozenset({"HunyuanImagePipeline"})
    text_first: ClassVar[bool] = False
    stacks: ClassVar[Mapping[str, str]] = {
        "transformer_blocks": "dual",
        "single_transformer_blocks": "single",
    }
    carrying: ClassVar[frozenset[str]] = frozenset()
    conditional: ClassVar[str] = "pred_cond"
    encodings: ClassVar[int] = 2  # with guidance a second one, of the negative prompt
    default_method: ClassVar[str] = "daam"

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

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        most = pipe.tokenizer_max_length
        return split_after_template(pipe, pipe.tokenizer, text, pipe.prompt_template_encode, most)

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
