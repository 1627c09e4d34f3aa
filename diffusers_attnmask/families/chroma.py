"""Chroma: FLUX.1's blocks with T5 alone, padding hidden, and modulation that is handed to each block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families.base import given
from diffusers_attnmask.families.flux import Flux
from diffusers_attnmask.families.joint import carry_added_projections

IMAGE_MODULATION = 6  # of a block's vectors, those of the text follow


class Chroma(Flux):
    name: ClassVar[str] = "Chroma"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {"ChromaImg2ImgPipeline", "ChromaInpaintPipeline", "ChromaPipeline"}
    )
    encodings: ClassVar[int] = 1
    tokenizer: ClassVar[str] = "tokenizer"

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        settings = given(arguments, "device", "max_sequence_length", "lora_scale")
        embeds, *_ = encode_prompt(prompt=list(texts), do_classifier_free_guidance=False, **settings)
        return list(embeds)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, text_ids, mask, *_ = pipe.encode_prompt(
            prompt=list(prompts), device=pipe._execution_device, do_classifier_free_guidance=False
        )
        return {"encoder_hidden_states": embeds, "txt_ids": text_ids, "attention_mask": mask}

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        places = noisy.shape[-2] * noisy.shape[-1] // self.patch(pipe) ** 2
        mask = F.pad(conditions["attention_mask"], (0, places), value=1.0)
        super().denoise(pipe, noisy, sigma, {**conditions, "attention_mask": mask})

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        assert site.block is not None
        temb = inputs["temb"][look.rows, IMAGE_MODULATION:]
        return carry_added_projections(site.block, words, look, temb, hidden)
