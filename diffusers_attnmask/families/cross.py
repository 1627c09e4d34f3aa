"""What families share whose transformer looks at its text apart from the image, in layers of its own."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Layout
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Kind, Site, grid_at, spread_depths
from diffusers_attnmask.families.base import given
from diffusers_attnmask.families.transformer import TransformerFamily
from diffusers_attnmask.words.alignment import SplitPrompt


class CrossFamily(TransformerFamily):
    """A transformer over the image, whose blocks each look at the text of one encoder."""

    encodes_to_length: ClassVar[bool] = True
    parts: ClassVar[Mapping[int, int]] = {1: 0, 2: 1}  # guidance puts the prompts' half last
    attention: ClassVar[Mapping[str, Kind]] = {"attn1": "self", "attn2": "cross"}  # of a block, in order
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dataset-diffusion": {"self_pool": 2},
        "goca": {"self_pool": 2},
    }

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        return cross_sites(pipe.transformer, "transformer_blocks", self.attention, self.patch(pipe))

    def layout(self, site: Site, passing: Pass) -> Layout:
        return Layout(grid_at(passing.latent_size, site.stride))

    def split_all(self, pipe: Any, texts: Sequence[str], arguments: Mapping[str, Any]) -> list[SplitPrompt]:
        cleaned = pipe._text_preprocessing(list(texts), clean_caption=bool(arguments.get("clean_caption")))
        return super().split_all(pipe, cleaned, arguments)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        """Without the padding, which the model's mask hides, and as the blocks take it."""
        settings = given(arguments, "device", "clean_caption", "max_sequence_length", "lora_scale")
        embeds, mask, *_ = encode_prompt(prompt=list(texts), **unguided(encode_prompt), **settings)
        words = self.words_as_keys(pipe, embeds.to(pipe.transformer.dtype))
        return [own[shown.bool()] for own, shown in zip(words, mask, strict=True)]

    @abstractmethod
    def words_as_keys(self, pipe: Any, contexts: Tensor) -> Tensor:
        """Encoded words (n, S, D) as the blocks' layers take their text."""

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.cross_attention_dim

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        settings = {"device": pipe._execution_device, **unguided(pipe.encode_prompt)}
        embeds, mask, *_ = pipe.encode_prompt(prompt=list(prompts), **settings)
        dtype = pipe.transformer.dtype
        return {"encoder_hidden_states": embeds.to(dtype), "encoder_attention_mask": mask.to(dtype)}

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        timestep = torch.full((len(noisy),), sigma, device=noisy.device)
        pipe.transformer(noisy, timestep=timestep, return_dict=False, **conditions)


def cross_sites(
    transformer: Any, stack: str, attention: Mapping[str, Kind], stride: int, timed: bool = False
) -> tuple[Site, ...]:
    """The attention layers of a stack of blocks. timed: of those that look at text, see `Site`."""
    found = [
        (f"{stack}.{index}.{name}", getattr(block, name), kind)
        for index, block in enumerate(getattr(transformer, stack))
        for name, kind in attention.items()
    ]
    return tuple(
        Site(*own, depth, stride, timed=timed and own[-1] == "cross")
        for own, depth in zip(found, spread_depths(len(found)), strict=True)
    )


def unguided(encode_prompt: Callable) -> dict[str, bool]:
    """How it is told to leave out the negative prompt; distilled models have none."""
    name = "do_classifier_free_guidance"
    return {name: False} if name in inspect.signature(encode_prompt).parameters else {}
