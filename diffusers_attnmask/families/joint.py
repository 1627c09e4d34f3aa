"""What families share whose transformer compares image and text in one row: MMDiT and its kin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusers_attnmask.attention.look import Layout, Look
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Kind, Site, grid_at, spread_depths
from diffusers_attnmask.families.base import Call
from diffusers_attnmask.families.transformer import TransformerFamily


class JointFamily(TransformerFamily):
    """A transformer over one sequence of image and text, sampled by flow matching."""

    default_method: ClassVar[str] = "concept-attention"
    text_first: ClassVar[bool] = True
    stacks: ClassVar[Mapping[str, str]] = {"transformer_blocks": "dual"}  # of blocks, in order, and tags
    attention: ClassVar[str] = "attn"  # of a block
    carrying: ClassVar[frozenset[str]] = frozenset({"dual"})  # the tags of blocks that words go through
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dataset-diffusion": {"words": "prompt", "self_pool": 2},
        "goca": {"self_pool": 2},
    }

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        def parts() -> Iterator[Part]:
            for stack, tag in self.stacks.items():
                for index, block in enumerate(getattr(pipe.transformer, stack)):
                    attention = block.get_submodule(self.attention)
                    carrying = block if tag in self.carrying else None
                    joined = getattr(block, "proj_out", None)  # of attention and MLP together
                    yield f"{stack}.{index}.{self.attention}", attention, "joint", tag, carrying, joined

        return joint_sites(parts(), self.patch(pipe))

    def layout(self, site: Site, passing: Pass) -> Layout:
        grid = grid_at(passing.latent_size, site.stride)
        if site.kind == "self":
            return Layout(grid)
        places, text = grid[0] * grid[1], passing.text_tokens
        return Layout(grid, text, 0, text) if self.text_first else Layout(grid, 0, places, text)

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.joint_attention_dim

    def words_as_tokens(self, pipe: Any, contexts: Tensor, hidden: Tensor | None) -> Tensor:
        """Encoded words (n, W, D) as the first block of the transformer takes its text.

        hidden: additive mask (n, 1, 1, W) of places that are padding.
        """
        return pipe.transformer.context_embedder(contexts)

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Words beside the text, through one block: their attention outputs, and what the next block gets.

        words: (n, W, D); they look at the image and at each other, and nothing looks at them. inputs: of the
        block; hidden: additive mask (n, 1, 1, W) of places that are padding. Returns (n, heads, W, d) and
        (n, W, D), None behind the last block. A family with sites that have a `block` has this.
        """
        raise TypeError(f"{self.name} has no text beside which words could go")


# name, attention, kind, tag, block, projection of a block
Part = tuple[str, nn.Module, Kind, str, nn.Module | None, nn.Module | None]


def joint_sites(parts: Iterable[Part], stride: int) -> tuple[Site, ...]:
    """Sites from their parts, in the order in which they run."""
    found = list(parts)
    return tuple(
        Site(name, module, kind, depth, stride, frozenset({tag}), block, joined=joined)
        for (name, module, kind, tag, block, joined), depth in zip(
            found, spread_depths(len(found)), strict=True
        )
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


def turned(part: Tensor, turns: Tensor) -> Tensor:
    """Queries or keys (n, W, heads, d), pairs of their numbers turned by complex ones (…, d / 2)."""
    pairs = torch.view_as_complex(part.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).type_as(part)


def projections(
    attn: Any, states: Tensor, added: bool = False, turns: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (n, heads, W, d) of words (n, W, D).

    added: by the projections that text has for itself. turns: see `turned`; none at position 0.
    """
    if added:
        maps = (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
        norms = (attn.norm_added_q, attn.norm_added_k)
    else:
        maps, norms = (attn.to_q, attn.to_k, attn.to_v), (attn.norm_q, attn.norm_k)
    own = [project(states) for project in maps]
    depth = own[0].shape[-1] // attn.heads
    *compared, value = (part.unflatten(-1, (-1, depth)) for part in own)
    query, key = (part if norm is None else norm(part) for part, norm in zip(compared, norms, strict=True))
    if turns is not None:
        query, key = turned(query, turns), turned(key, turns)
    shared = attn.heads // key.shape[2]  # queries' heads that look by the same keys
    key, value = (part.repeat_interleave(shared, 2) if shared > 1 else part for part in (key, value))
    return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)


def carry_added_projections(
    block: Any, words: Tensor, look: Look, temb: Tensor, hidden: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """`carry` through the text's half of a block as SD3 and FLUX have it: modulation, joint attention, MLP.

    Position 0 is turned by nothing, where the model turns queries and keys at all. temb: (n, D).
    """
    attn = block.attn
    if attn.context_pre_only:
        states, gates = block.norm1_context(words, temb), None
    else:
        states, *gates = block.norm1_context(words, emb=temb)
    output = attend_beside(*projections(attn, states, added=True), look, hidden)
    if gates is None:
        return output, None
    gate_attention, shift, scale, gate_mlp = (own[:, None] for own in gates)
    words = words + gate_attention * attn.to_add_out(output.transpose(1, 2).flatten(2))
    states = block.norm2_context(words) * (1 + scale) + shift
    return output, words + gate_mlp * block.ff_context(states)


def size_by_ids(call: Call, ids: Tensor) -> tuple[int, int]:
    """The latent size by the row and column (N, 3 or more) of each place, a square of 2 × 2 cells.

    Places of reference images are marked by their first number. Asked once a call: it waits for the device.
    """
    key = tuple(ids.shape)
    if key not in call.sizes:
        made = ids[ids[:, 0] == 0]
        height, width = (int(made[:, axis].max()) + 1 for axis in (1, 2))
        call.sizes[key] = (2 * height, 2 * width)
    return call.sizes[key]
