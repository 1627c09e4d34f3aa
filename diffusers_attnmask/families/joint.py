"""What families share whose transformer compares image and text in one row: MMDiT and its kin."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusers_attnmask.attention.look import Layout, Look
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Kind, Site, grid_at, spread_depths
from diffusers_attnmask.families.base import Call, Family, flowed, last_rows
from diffusers_attnmask.words.alignment import SplitPrompt


class JointFamily(Family):
    """A transformer over one sequence of image and text, sampled by flow matching."""

    default_method: ClassVar[str] = "concept-attention"
    text_first: ClassVar[bool] = True
    parts: ClassVar[Mapping[int, int]] = {1: 0}  # guidance by one batch: which part has the prompts
    text_input: ClassVar[str] = "encoder_hidden_states"  # of the denoiser
    latents_input: ClassVar[str] = "hidden_states"

    def denoiser(self, pipe: Any) -> nn.Module:
        return pipe.transformer

    def patch(self, pipe: Any) -> int:
        """Cells of the latent grid to a side of one place of the image."""
        return pipe.transformer.config.patch_size

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        text = inputs[self.text_input]
        if context not in (None, "cond") or (context is None and not self.holds_prompts(call, text)):
            return None
        batch = len(inputs[self.latents_input])
        rows = last_rows(batch, call.images, self.parts, type(pipe.transformer).__name__)
        return Pass(rows, self.latent_size(pipe, call, inputs), text_tokens=text.shape[1])

    def holds_prompts(self, call: Call, text: Tensor) -> bool:
        """Whether a pass is under the prompts, where guidance takes a pass of its own for what it leads away
        from.

        Families that guide by one batch always hold them.
        """
        return True

    def latent_size(self, pipe: Any, call: Call, inputs: Mapping[str, Any]) -> tuple[int, int]:
        height, width = inputs[self.latents_input].shape[-2:]
        return height, width

    def layout(self, site: Site, passing: Pass) -> Layout:
        grid = grid_at(passing.latent_size, site.stride)
        if site.kind == "self":
            return Layout(grid)
        places, text = grid[0] * grid[1], passing.text_tokens
        return Layout(grid, text, 0, text) if self.text_first else Layout(grid, 0, places, text)

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.joint_attention_dim

    def words_as_tokens(self, pipe: Any, contexts: Tensor) -> Tensor:
        """Encoded words (…, D) as the first block of the transformer takes its text."""
        return pipe.transformer.context_embedder(contexts)

    @abstractmethod
    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Words beside the text, through one block: their attention outputs, and what the next block gets.

        words: (n, W, D); they look at the image and at each other, and nothing looks at them. inputs: of the
        block; hidden: additive mask (n, 1, 1, W) of places that are padding. Returns (n, heads, W, d) and
        (n, W, D), None behind the last block.
        """

    def look(self, pipe: Any, latents: Tensor, noise: Tensor, strength: float, conditions: dict) -> None:
        noisy = flowed(latents, noise, strength)
        self.denoise(pipe, noisy, strength, conditions)

    @abstractmethod
    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        """One pass over latents (B, C, h, w) at a noise level in (0, 1]."""


Part = tuple[str, nn.Module, Kind, str, nn.Module | None]  # name, attention, kind, tag, block


def joint_sites(parts: Iterable[Part], stride: int) -> tuple[Site, ...]:
    """Sites from their parts, in the order in which they run."""
    found = list(parts)
    return tuple(
        Site(name, module, kind, depth, stride, frozenset({tag}), block)
        for (name, module, kind, tag, block), depth in zip(found, spread_depths(len(found)), strict=True)
    )


def attend_beside(query: Tensor, key: Tensor, value: Tensor, look: Look, hidden: Tensor | None) -> Tensor:
    """Words (n, heads, W, d) that look at the image and at each other: their outputs, of the same shape."""
    mask = None
    if hidden is not None:
        mask = F.pad(hidden, (look.image_key.shape[2], 0)).to(query.dtype)
    return F.scaled_dot_product_attention(
        query,
        torch.cat([look.image_key, key], 2),
        torch.cat([look.image_value, value], 2),
        mask,
        scale=look.scale,
    )


def carry_added_projections(
    block: nn.Module, words: Tensor, look: Look, temb: Tensor, hidden: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """`carry` through the text's half of a block as SD3 and FLUX have it: modulation, joint attention, MLP.

    Position 0 is turned by nothing, where the model turns queries and keys at all. temb: (n, D).
    """
    attn, heads = block.attn, look.query.shape[1]
    if attn.context_pre_only:
        states, gates = block.norm1_context(words, temb), None
    else:
        states, *gates = block.norm1_context(words, emb=temb)
    query, key, value = (
        project(states).unflatten(-1, (heads, -1))
        for project in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
    )
    query = query if attn.norm_added_q is None else attn.norm_added_q(query)
    key = key if attn.norm_added_k is None else attn.norm_added_k(key)
    output = attend_beside(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), look, hidden)
    if gates is None:
        return output, None
    gate_attention, shift, scale, gate_mlp = (own[:, None] for own in gates)
    words = words + gate_attention * attn.to_add_out(output.transpose(1, 2).flatten(2))
    states = block.norm2_context(words) * (1 + scale) + shift
    return output, words + gate_mlp * block.ff_context(states)


def prompts_of(arguments: Mapping[str, Any], *names: str) -> list[str] | None:
    """The prompts that a text encoder reads: the first of the arguments that is given."""
    for name in names:
        prompt = arguments.get(name)
        if prompt is not None:
            return [prompt] if isinstance(prompt, str) else list(prompt)
    return None


def by_prompt(per_encoder: Sequence[Sequence[SplitPrompt]]) -> list[list[SplitPrompt]]:
    """From each encoder's prompts to each prompt's encoders."""
    return [list(splits) for splits in zip(*per_encoder, strict=True)]
