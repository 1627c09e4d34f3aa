"""FLUX.2 and Klein: text (a language model's tokens, template and padding too) and image in one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from diffusers.models.transformers.transformer_flux2 import Flux2Modulation
from diffusers.pipelines.flux2.pipeline_flux2 import format_input
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families.base import Call
from diffusers_attnmask.families.joint import JointFamily, attend_beside, projections, size_by_ids
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt

GUIDANCE = 4.0  # of a look at an existing image, as the pipelines' default


class Flux2(JointFamily):
    name: ClassVar[str] = "FLUX.2"
    pipelines: ClassVar[frozenset[str]] = frozenset({"Flux2Pipeline"})
    stacks: ClassVar[Mapping[str, str]] = {
        "transformer_blocks": "dual",
        "single_transformer_blocks": "single",
    }
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **JointFamily.defaults,
        # as published: 5 to 7 of the 8 blocks with two streams
        "concept-attention": {"depth": (0.7, 1.0), "steps": (0.7, 1.0), "each": False},
    }

    def patch(self, pipe: Any) -> int:
        return 2  # the pipelines pack squares of 2 × 2 cells into one place

    def latent_size(self, pipe: Any, call: Call, inputs: Mapping[str, Any]) -> tuple[int, int]:
        return size_by_ids(call, inputs["img_ids"][0])

    def template(self, pipe: Any) -> str:
        """What is around a prompt, in place of "{}"."""
        messages = format_input(["{}"], system_message=pipe.system_message)
        return pipe.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)[0]

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        tokenizer = getattr(pipe.tokenizer, "tokenizer", pipe.tokenizer)  # a processor has one
        embeds = arguments.get("prompt_embeds")
        limit = (arguments.get("max_sequence_length") or 512) if embeds is None else embeds.shape[1]
        split = split_prompt(tokenizer, text.replace("[IMG]", ""), limit=limit, template=self.template(pipe))
        before = max(limit - len(split.tokens), 0) if tokenizer.padding_side == "left" else 0
        return replace(split, offset=before)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        """Padded to the full length, as `split_text` counts their places."""
        layers = arguments.get("text_encoder_out_layers")
        settings = {} if layers is None else {"text_encoder_out_layers": layers}
        embeds, _ = encode_prompt(prompt=list(texts), device=arguments.get("device"), **settings)
        return list(embeds)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, text_ids = pipe.encode_prompt(prompt=list(prompts), device=pipe._execution_device)
        guidance = None
        if pipe.transformer.config.guidance_embeds:
            guidance = torch.full((len(embeds),), GUIDANCE, device=embeds.device)
        return {"encoder_hidden_states": embeds, "txt_ids": text_ids, "guidance": guidance}

    def encoded_pixels(self, pipe: Any, pixels: Tensor) -> Tensor:
        """Squares of 2 × 2 cells as channels, by the statistics that the autoencoder learnt of them."""
        vae = pipe.vae
        latents = pipe._patchify_latents(vae.encode(pixels).latent_dist.mode())
        mean, variance = (
            own.view(1, -1, 1, 1).to(latents) for own in (vae.bn.running_mean, vae.bn.running_var)
        )
        return (latents - mean) / (variance + vae.config.batch_norm_eps).sqrt()

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        pipe.transformer(
            hidden_states=pipe._pack_latents(noisy),
            timestep=torch.full((len(noisy),), sigma, device=noisy.device),
            img_ids=pipe._prepare_latent_ids(noisy).to(noisy.device),
            return_dict=False,
            **conditions,
        )

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Words stand at position 0, which is turned by nothing; all blocks are modulated alike."""
        block: Any = site.block
        first, second = Flux2Modulation.split(inputs["temb_mod_txt"][look.rows], 2)
        shift, scale, gate = first
        states = block.norm1_context(words) * (1 + scale) + shift
        output = attend_beside(*projections(block.attn, states, added=True), look, hidden)
        words = words + gate * block.attn.to_add_out(output.transpose(1, 2).flatten(2))
        shift, scale, gate = second
        states = block.norm2_context(words) * (1 + scale) + shift
        return output, words + gate * block.ff_context(states)


class Flux2Klein(Flux2):
    name: ClassVar[str] = "FLUX.2 Klein"
    pipelines: ClassVar[frozenset[str]] = frozenset({"Flux2KleinInpaintPipeline", "Flux2KleinPipeline"})
    encodings: ClassVar[int] = 2  # with guidance a second one, of no text

    def template(self, pipe: Any) -> str:
        return pipe.tokenizer.apply_chat_template(
            [{"role": "user", "content": "{}"}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
