"""Stable Diffusion 3 and 3.5: image and text in one row, the image first; CLIP's tokens, then T5's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families.base import Call, given
from diffusers_attnmask.families.joint import JointFamily, Part, carry_added_projections, joint_sites
from diffusers_attnmask.families.transformer import by_prompt, prompts_of
from diffusers_attnmask.words.alignment import SplitPrompt, expansion, split_prompt


class StableDiffusion3(JointFamily):
    name: ClassVar[str] = "Stable Diffusion 3 and 3.5"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "StableDiffusion3ControlNetInpaintingPipeline",
            "StableDiffusion3ControlNetPipeline",
            "StableDiffusion3Img2ImgPipeline",
            "StableDiffusion3PAGImg2ImgPipeline",
            "StableDiffusion3PAGPipeline",
            "StableDiffusion3InpaintPipeline",
            "StableDiffusion3Pipeline",
        }
    )
    encodes_to_length: ClassVar[bool] = True
    text_first: ClassVar[bool] = False
    parts: ClassVar[Mapping[int, int]] = {1: 0, 2: 1}
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **JointFamily.defaults,
        "concept-attention": {"normalised": True},
    }

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        def parts() -> Iterator[Part]:
            for index, block in enumerate(pipe.transformer.transformer_blocks):
                name = f"transformer_blocks.{index}"
                yield f"{name}.attn", block.attn, "joint", "dual", block, None
                if block.attn2 is not None:
                    yield f"{name}.attn2", block.attn2, "self", "dual", None, None

        return joint_sites(parts(), self.patch(pipe))

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        if inputs.get("skip_layers") is not None:  # a further pass, which leads away from skipped layers
            return None
        return super().read_pass(pipe, call, inputs, context)

    def splits(self, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
        if arguments.get("prompt") is None:
            return None
        clip_tokens = pipe.tokenizer_max_length
        encoders = (
            ("tokenizer", "text_encoder", ("prompt",), 0, clip_tokens),
            ("tokenizer_2", "text_encoder_2", ("prompt_2", "prompt"), 0, clip_tokens),
            (
                "tokenizer_3",
                "text_encoder_3",
                ("prompt_3", "prompt"),
                clip_tokens,
                arguments.get("max_sequence_length") or 256,
            ),
        )
        per_encoder = []
        for name, encoder, prompts, offset, limit in encoders:
            tokenizer = getattr(pipe, name)
            if tokenizer is None or (encoder == "text_encoder_3" and pipe.text_encoder_3 is None):
                continue  # without its encoder, T5's part of the row is zeros
            expand = expansion(pipe, tokenizer)
            texts = prompts_of(arguments, *prompts) or []
            per_encoder.append([split_prompt(tokenizer, text, expand, limit, offset) for text in texts])
        if not per_encoder:
            raise ValueError(
                "the pipeline has no tokenizer to find words with: keep its tokenizers, they are small"
            )
        return by_prompt(per_encoder)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        settings = given(arguments, "device", "clip_skip", "max_sequence_length", "lora_scale")
        embeds, *_ = encode_prompt(
            prompt=list(texts), prompt_2=None, prompt_3=None, do_classifier_free_guidance=False, **settings
        )
        return list(embeds)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, _, pooled, _ = pipe.encode_prompt(
            prompt=list(prompts),
            prompt_2=None,
            prompt_3=None,
            device=pipe._execution_device,
            do_classifier_free_guidance=False,
        )
        return {"encoder_hidden_states": embeds, "pooled_projections": pooled}

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        timestep = torch.full((len(noisy),), sigma * 1000, device=noisy.device)
        pipe.transformer(hidden_states=noisy, timestep=timestep, return_dict=False, **conditions)

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        assert site.block is not None
        return carry_added_projections(site.block, words, look, inputs["temb"][look.rows], hidden)
