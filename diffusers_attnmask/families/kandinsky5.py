"""Kandinsky 5: Qwen2.5-VL's tokens pass through blocks with the time, then the image looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from diffusers.pipelines.kandinsky5.pipeline_kandinsky_t2i import prompt_clean
from torch import Tensor

from diffusers_attnmask.attention.look import Layout
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Kind, Site, grid_at
from diffusers_attnmask.families.base import Call
from diffusers_attnmask.families.cross import cross_sites
from diffusers_attnmask.families.transformer import TransformerFamily, split_after_template
from diffusers_attnmask.words.alignment import SplitPrompt

ATTENTION: Mapping[str, Kind] = {"self_attention": "self", "cross_attention": "cross"}  # of a block, in order


class Kandinsky5(TransformerFamily):
    """A video model of one frame: its latents are (B, 1, h, w, C)."""

    name: ClassVar[str] = "Kandinsky 5"
    pipelines: ClassVar[frozenset[str]] = frozenset({"Kandinsky5T2IPipeline"})
    encodings: ClassVar[int] = 2  # with guidance a second one, of the negative prompt
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dataset-diffusion": {"words": "prompt", "self_pool": 2},
        "goca": {"self_pool": 2},
    }

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        stack = "visual_transformer_blocks"
        return cross_sites(pipe.transformer, stack, ATTENTION, self.patch(pipe), timed=True)

    def patch(self, pipe: Any) -> int:
        return pipe.transformer.config.patch_size[1]

    def pixels_per_cell(self, pipe: Any) -> int:
        return pipe.vae_scale_factor_spatial

    def native_side(self, pipe: Any) -> int:
        return 1024

    def holds_prompts(self, call: Call, text: Tensor) -> bool:
        """The first pass of a call is under its prompts."""
        prompts = text.data_ptr() == call.encoded[0].data_ptr()
        if not prompts and not call.sizes:
            raise ValueError(
                "the text of the first pass is not what was encoded: Kandinsky 5 encodes no prompt where "
                "prompt_embeds_qwen is given. Give the prompt alone"
            )
        return prompts

    def latent_size(self, pipe: Any, call: Call, inputs: Mapping[str, Any]) -> tuple[int, int]:
        shape = tuple(inputs["hidden_states"].shape)
        call.sizes[shape] = shape[2], shape[3]
        return call.sizes[shape]

    def layout(self, site: Site, passing: Pass) -> Layout:
        return Layout(grid_at(passing.latent_size, site.stride))

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.in_text_dim

    def split_all(self, pipe: Any, texts: Sequence[str], arguments: Mapping[str, Any]) -> list[SplitPrompt]:
        tokenizer = getattr(pipe.tokenizer, "tokenizer", pipe.tokenizer)  # a processor has one
        most = arguments.get("max_sequence_length") or 512
        template = pipe.prompt_template
        found = [split_after_template(pipe, tokenizer, text, template, most, prompt_clean) for text in texts]
        if tokenizer.padding_side == "right":
            return found
        longest = max(min(len(own.tokens), own.limit) for own in found)
        return [replace(own, offset=own.offset + max(longest - len(own.tokens), 0)) for own in found]

    def check_call(
        self, pipe: Any, arguments: Mapping[str, Any], splits: Sequence[Sequence[SplitPrompt]] | None
    ) -> None:
        longer = any(len(own.tokens) > own.limit for (own,) in splits or ())
        if longer and len(splits or ()) > 1:
            raise ValueError(
                "one of the prompts is longer than max_sequence_length, and diffusers cuts the ends of all "
                "others of its batch off with it: shorten it, or sample it by itself"
            )

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, pooled, lengths = pipe.encode_prompt(list(prompts), device=pipe._execution_device)
        places = torch.arange(int(lengths.diff().max()), device=embeds.device)
        return {"encoder_hidden_states": embeds, "pooled_projections": pooled, "text_rope_pos": places}

    def encoded_pixels(self, pipe: Any, pixels: Tensor) -> Tensor:
        """The pipeline knows of no shift, whatever its autoencoder's config says."""
        return pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        rows, columns = (torch.arange(side // self.patch(pipe)) for side in noisy.shape[-2:])
        pipe.transformer(
            hidden_states=noisy.movedim(1, -1)[:, None],
            timestep=torch.full((len(noisy),), sigma * 1000).to(noisy),
            visual_rope_pos=[own.to(noisy.device) for own in (torch.arange(1), rows, columns)],
            return_dict=False,
            **conditions,
        )
