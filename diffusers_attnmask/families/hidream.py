"""HiDream: image, then text three times: T5's tokens, Llama's last layer and, by block, one of its others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Layout
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site, grid_at
from diffusers_attnmask.families.base import Call, check_tokenizer
from diffusers_attnmask.families.joint import JointFamily
from diffusers_attnmask.families.transformer import by_prompt, prompts_of
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt


class HiDream(JointFamily):
    """A third of the text is new in each block, so that no words could go beside it from block to block.

    An image that is not square is filled up with empty places to the most that the model knows, and the text
    stands behind them.
    """

    name: ClassVar[str] = "HiDream"
    pipelines: ClassVar[frozenset[str]] = frozenset({"HiDreamImagePipeline"})
    text_first: ClassVar[bool] = False
    stacks: ClassVar[Mapping[str, str]] = {"double_stream_blocks": "dual", "single_stream_blocks": "single"}
    attention: ClassVar[str] = "block.attn1"
    carrying: ClassVar[frozenset[str]] = frozenset()
    text_input: ClassVar[str] = "encoder_hidden_states_t5"
    parts: ClassVar[Mapping[int, int]] = {1: 0, 2: 1}
    default_method: ClassVar[str] = "daam"

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        passing = super().read_pass(pipe, call, inputs, context)
        assert passing is not None  # guidance is by one batch
        height, width = passing.latent_size
        text = passing.text_tokens + 2 * inputs["encoder_hidden_states_llama3"].shape[2]
        filled = None if height == width else pipe.transformer.max_seq
        return replace(passing, text_tokens=text, image_places=filled)

    def layout(self, site: Site, passing: Pass) -> Layout:
        grid = grid_at(passing.latent_size, site.stride)
        return Layout(grid, 0, passing.image_places or grid[0] * grid[1], passing.text_tokens)

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.inner_dim

    def spoken(self, arguments: Mapping[str, Any], prompt: str | list[str]) -> dict[str, Any]:
        return {**super().spoken(arguments, prompt), "prompt_4": None}

    def prompts_embedded(self, arguments: Mapping[str, Any]) -> int:
        return len(arguments["pooled_prompt_embeds"])

    def splits(self, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
        """Padding is read, too: each text has the same length in every call."""
        if prompts_of(arguments, "prompt") is None:
            return None
        per_encoder, offset = [], 0
        for number, name, axis in ((3, "t5", 1), (4, "llama3", 2)):
            check_tokenizer(pipe, f"tokenizer_{number}")
            tokenizer = getattr(pipe, f"tokenizer_{number}")
            embeds = arguments.get(f"prompt_embeds_{name}")
            asked = min(arguments.get("max_sequence_length") or 128, tokenizer.model_max_length)
            limit = asked if embeds is None else embeds.shape[axis]
            texts = prompts_of(arguments, f"prompt_{number}", "prompt") or []
            for _ in range(number - 2):  # Llama's stand there twice
                per_encoder.append([split_prompt(tokenizer, text, str, limit, offset) for text in texts])
                offset += limit
        return by_prompt(per_encoder)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        t5, _, llama, _, pooled, _ = pipe.encode_prompt(
            prompt=list(prompts), device=pipe._execution_device, do_classifier_free_guidance=False
        )
        return {
            "encoder_hidden_states_t5": t5,
            "encoder_hidden_states_llama3": llama,
            "pooled_embeds": pooled,
        }

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        height, width = (side // self.patch(pipe) for side in noisy.shape[-2:])
        if height != width and height * width > pipe.transformer.max_seq:
            raise ValueError(
                f"HiDream has {pipe.transformer.max_seq} places for an image that is not square, and this "
                f"one takes {height}×{width}: give a smaller processing_res"
            )
        timesteps = torch.full((len(noisy),), sigma * 1000, device=noisy.device)
        pipe.transformer(hidden_states=noisy, timesteps=timesteps, return_dict=False, **conditions)
