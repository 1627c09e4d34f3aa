"""Qwen-Image: text (Qwen2.5-VL's tokens, of a template whose beginning is dropped) and image in one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families.base import Call
from diffusers_attnmask.families.joint import JointFamily, attend_beside, projections
from diffusers_attnmask.families.transformer import split_after_template
from diffusers_attnmask.words.alignment import SplitPrompt


class QwenImage(JointFamily):
    name: ClassVar[str] = "Qwen-Image"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "QwenImageControlNetInpaintPipeline",
            "QwenImageControlNetPipeline",
            "QwenImageImg2ImgPipeline",
            "QwenImageInpaintPipeline",
            "QwenImagePipeline",
        }
    )
    encodings: ClassVar[int] = 2  # with `true_cfg_scale` a second one, of the negative prompt

    def latent_size(self, pipe: Any, call: Call, inputs: Mapping[str, Any]) -> tuple[int, int]:
        shape = inputs["img_shapes"][0]  # all images are of one size; ControlNet's are not in lists
        _, height, width = shape[0] if isinstance(shape, list) else shape
        return height * self.patch(pipe), width * self.patch(pipe)

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        most = arguments.get("max_sequence_length") or 512
        return split_after_template(pipe, pipe.tokenizer, text, pipe.prompt_template_encode, most)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        embeds, _ = encode_prompt(prompt=list(texts), device=arguments.get("device"))
        return list(embeds)

    def words_as_tokens(self, pipe: Any, contexts: Tensor, hidden: Tensor | None) -> Tensor:
        return pipe.transformer.txt_in(pipe.transformer.txt_norm(contexts))

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, mask = pipe.encode_prompt(prompt=list(prompts), device=pipe._execution_device)
        return {"encoder_hidden_states": embeds, "encoder_hidden_states_mask": mask}

    def encoded_pixels(self, pipe: Any, pixels: Tensor) -> Tensor:
        """The autoencoder takes videos, here of one frame, and its latents have statistics per channel."""
        config = pipe.vae.config
        latents = pipe.vae.encode(pixels[:, :, None]).latent_dist.mode()[:, :, 0]
        mean, std = (
            torch.tensor(own).view(1, -1, 1, 1).to(latents)
            for own in (config.latents_mean, config.latents_std)
        )
        return (latents - mean) / std

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        batch, channels, height, width = noisy.shape
        pipe.transformer(
            hidden_states=pipe._pack_latents(noisy, batch, channels, height, width),
            timestep=torch.full((batch,), sigma, device=noisy.device),
            img_shapes=[[(1, height // 2, width // 2)]] * batch,
            return_dict=False,
            **conditions,
        )

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Words are turned as the first token of the text is."""
        block: Any = site.block
        temb = inputs["temb"].chunk(2)[0] if block.zero_cond_t else inputs["temb"]
        modulation = block.txt_mod(temb[look.rows]).chunk(2, dim=-1)
        _, turns = inputs["image_rotary_emb"]
        states, gate = block._modulate(block.txt_norm1(words), modulation[0])
        output = attend_beside(*projections(block.attn, states, added=True, turns=turns[0]), look, hidden)
        words = words + gate * block.attn.to_add_out(output.transpose(1, 2).flatten(2))
        states, gate = block._modulate(block.txt_norm2(words), modulation[1])
        return output, words + gate * block.txt_mlp(states)
