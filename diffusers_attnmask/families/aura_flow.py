"""AuraFlow: register tokens, text and image in one row; few blocks with two streams, many with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusers_attnmask.attention.look import Layout, Look
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site, grid_at
from diffusers_attnmask.families.base import given
from diffusers_attnmask.families.joint import JointFamily, attend_beside, projections
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt

REGISTERS = 8  # of a place each, before the text


class AuraFlow(JointFamily):
    """Words pass beside the text through the first blocks alone, those with two streams; 4 of 36 in v0.3."""

    name: ClassVar[str] = "AuraFlow"
    pipelines: ClassVar[frozenset[str]] = frozenset({"AuraFlowPipeline"})
    default_method: ClassVar[str] = "daam"
    encodes_to_length: ClassVar[bool] = True
    stacks: ClassVar[Mapping[str, str]] = {
        "joint_transformer_blocks": "dual",
        "single_transformer_blocks": "single",
    }
    parts: ClassVar[Mapping[int, int]] = {1: 0, 2: 1}

    def layout(self, site: Site, passing: Pass) -> Layout:
        text = passing.text_tokens
        return Layout(grid_at(passing.latent_size, site.stride), REGISTERS + text, REGISTERS, text)

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        return split_prompt(pipe.tokenizer, text, limit=arguments.get("max_sequence_length") or 256)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        settings = given(arguments, "device", "max_sequence_length", "lora_scale")
        embeds, *_ = encode_prompt(prompt=list(texts), do_classifier_free_guidance=False, **settings)
        return list(embeds)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, *_ = pipe.encode_prompt(
            prompt=list(prompts), do_classifier_free_guidance=False, device=pipe._execution_device
        )
        return {"encoder_hidden_states": embeds}

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        timestep = torch.full((len(noisy),), sigma, device=noisy.device, dtype=noisy.dtype)
        pipe.transformer(hidden_states=noisy, timestep=timestep, return_dict=False, **conditions)

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Words also look at the register tokens, which are the model's and not the prompt's."""
        block: Any = site.block
        states, *gates = block.norm1_context(words, emb=inputs["temb"][look.rows])
        gate_attention, shift, scale, gate_mlp = (own[:, None] for own in gates)
        query, *own = projections(block.attn, states, added=True)
        told = look.comparison
        assert told.value is not None
        registers = (part[look.rows][:, :, :REGISTERS] for part in (told.key, told.value))
        key, value = (torch.cat(parts, 2) for parts in zip(registers, own, strict=True))
        hidden = None if hidden is None else F.pad(hidden, (REGISTERS, 0))
        output = attend_beside(query, key, value, look, hidden)
        attended = block.attn.to_add_out(output.transpose(1, 2).flatten(2))
        states = block.norm2_context(words + gate_attention * attended) * (1 + scale) + shift
        return output, words + gate_mlp * block.ff_context(states)
