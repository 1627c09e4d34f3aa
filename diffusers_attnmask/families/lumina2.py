"""Lumina 2: text (Gemma's tokens, behind a system prompt) and image in one row, packed without padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Layout, Look
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site, grid_at
from diffusers_attnmask.families.base import Call
from diffusers_attnmask.families.joint import JointFamily, Part, attend_beside, joint_sites, projections
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt


class Lumina2(JointFamily):
    """The image begins where each prompt ends. All blocks have one stream, and words go through them, too."""

    name: ClassVar[str] = "Lumina 2"
    pipelines: ClassVar[frozenset[str]] = frozenset({"Lumina2Pipeline"})

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        def parts() -> Iterator[Part]:
            for index, block in enumerate(pipe.transformer.noise_refiner):
                yield f"noise_refiner.{index}.attn", block.attn, "self", "refiner", None, None
            for index, block in enumerate(pipe.transformer.layers):
                yield f"layers.{index}.attn", block.attn, "joint", "single", block, None

        return joint_sites(parts(), self.patch(pipe))

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        passing = super().read_pass(pipe, call, inputs, context)
        if passing is None:
            return None
        mask = inputs["encoder_attention_mask"]
        if mask.data_ptr() not in call.lengths:
            call.lengths[mask.data_ptr()] = tuple(mask[passing.rows].sum(1).tolist())
        return replace(passing, text_lengths=call.lengths[mask.data_ptr()])

    def holds_prompts(self, call: Call, text: Tensor) -> bool:
        return text.data_ptr() == call.encoded[0].data_ptr()

    def layout(self, site: Site, passing: Pass) -> Layout:
        grid = grid_at(passing.latent_size, site.stride)
        lengths = passing.text_lengths
        return Layout(grid) if site.kind == "self" else Layout(grid, lengths, lengths=lengths)

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.cap_feat_dim

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        system = arguments.get("system_prompt") or pipe.system_prompt
        template = f"{pipe.tokenizer.bos_token}{system} <Prompt Start> {{}}"
        limit = arguments.get("max_sequence_length") or 256
        return split_prompt(pipe.tokenizer, text, limit=limit, template=template)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        embeds, *_ = encode_prompt(
            list(texts), do_classifier_free_guidance=False, device=arguments.get("device")
        )
        return list(embeds)

    def words_as_tokens(self, pipe: Any, contexts: Tensor, hidden: Tensor | None) -> Tensor:
        """Refined as text is, each word at the place of the first token, which is turned by nothing."""
        words = pipe.transformer.time_caption_embed.caption_embedder(contexts)
        shown = None if hidden is None else hidden[:, 0, 0] == 0
        for block in pipe.transformer.context_refiner:
            words = block(words, shown, None)
        return words

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, mask, *_ = pipe.encode_prompt(
            list(prompts), do_classifier_free_guidance=False, device=pipe._execution_device
        )
        return {"encoder_hidden_states": embeds, "encoder_attention_mask": mask}

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        """Time runs from noise at 0 to the image at 1 here."""
        timestep = torch.full((len(noisy),), 1 - sigma, device=noisy.device)
        pipe.transformer(hidden_states=noisy, timestep=timestep, return_dict=False, **conditions)

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        block: Any = site.block
        states, *gates = block.norm1(words, inputs["temb"][look.rows])
        gate, scale_mlp, gate_mlp = (own[:, None] for own in gates)
        output = attend_beside(*projections(block.attn, states), look, hidden)
        attended = block.attn.to_out[0](output.transpose(1, 2).flatten(2).type_as(words))
        words = words + gate.tanh() * block.norm2(attended)
        states = block.feed_forward(block.ffn_norm1(words) * (1 + scale_mlp))
        return output, words + gate_mlp.tanh() * block.ffn_norm2(states)
