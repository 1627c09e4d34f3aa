"""CogView4: text (GLM's tokens, padded before them) and image in one row, by the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families.joint import JointFamily, attend_beside, projections
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt

PADDED_TO = 16  # tokens; a text is filled up to a multiple of it, on its left


class CogView4(JointFamily):
    name: ClassVar[str] = "CogView4"
    pipelines: ClassVar[frozenset[str]] = frozenset({"CogView4Pipeline"})
    attention: ClassVar[str] = "attn1"

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.text_embed_dim

    def words_as_tokens(self, pipe: Any, contexts: Tensor, hidden: Tensor | None) -> Tensor:
        return pipe.transformer.patch_embed.text_proj(contexts)

    def split_all(self, pipe: Any, texts: Sequence[str], arguments: Mapping[str, Any]) -> list[SplitPrompt]:
        """Where a word stands depends on the longest prompt of the call: all end at the same place."""
        limit = arguments.get("max_sequence_length") or 1024
        splits = [split_prompt(pipe.tokenizer, text, limit=limit) for text in texts]
        splits = [replace(own, end_tokens=0) for own in splits]  # GLM's special tokens are before the words
        end = padded(max(min(len(own.tokens), limit) for own in splits))
        return [replace(own, offset=end - min(len(own.tokens), limit)) for own in splits]

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        """Each as long as if it were encoded alone."""
        embeds, _ = encode_prompt(
            list(texts), do_classifier_free_guidance=False, device=arguments.get("device")
        )
        lengths = [padded(len(self.split_text(pipe, text)[0].tokens)) for text in texts]
        return [own[-length:] for own, length in zip(embeds, lengths, strict=True)]

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, _ = pipe.encode_prompt(
            list(prompts), do_classifier_free_guidance=False, device=pipe._execution_device
        )
        sizes = torch.tensor([size] * len(embeds)).to(embeds)
        return {
            "encoder_hidden_states": embeds,
            "original_size": sizes,
            "target_size": sizes,
            "crop_coords": torch.zeros_like(sizes),
        }

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        timestep = torch.full((len(noisy),), sigma * 1000, device=noisy.device)
        pipe.transformer(hidden_states=noisy, timestep=timestep, return_dict=False, **conditions)

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Words are projected as image and text are, and turned by nothing, as the text is."""
        block: Any = site.block
        attn = block.attn1
        *_, states, gate_attention, shift, scale, gate_mlp = block.norm1(
            words, words, inputs["temb"][look.rows]
        )
        output = attend_beside(*projections(attn, states), look, hidden)
        words = words + attn.to_out[0](output.transpose(1, 2).flatten(2)) * gate_attention[:, None]
        states = block.norm2_context(words) * (1 + scale[:, None]) + shift[:, None]
        return output, words + block.ff(states) * gate_mlp[:, None]


def padded(length: int) -> int:
    return -(-length // PADDED_TO) * PADDED_TO
