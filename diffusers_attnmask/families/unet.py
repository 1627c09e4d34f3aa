"""What all families with a `UNet2DConditionModel` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from diffusers_attnmask.attention.look import Layout
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site, grid_at, spread_depths
from diffusers_attnmask.families.base import Call, Family, diffused, last_rows
from diffusers_attnmask.words.alignment import SplitPrompt, expansion, split_prompt

PLACES = ("down", "mid", "up")  # the tags of a UNet's sites


def unet_sites(unet: UNet2DConditionModel) -> tuple[Site, ...]:
    """All attention layers in the order in which they run, each with its place and its level."""
    found: list[tuple[str, Attention, str, int]] = []
    level = 0
    for index, block in enumerate(unet.down_blocks):
        found += _attention_in(f"down_blocks.{index}", block, "down", level)
        level += bool(block.downsamplers)
    if unet.mid_block is not None:
        found += _attention_in("mid_block", unet.mid_block, "mid", level)
    for index, block in enumerate(unet.up_blocks):
        found += _attention_in(f"up_blocks.{index}", block, "up", level)
        level -= bool(block.upsamplers)
    return tuple(
        Site(
            name,
            module,
            "cross" if module.is_cross_attention else "self",
            depth,
            2**level,
            frozenset({place}),
        )
        for (name, module, place, level), depth in zip(found, spread_depths(len(found)), strict=True)
    )


def _attention_in(
    prefix: str, block: nn.Module, place: str, level: int
) -> Iterator[tuple[str, Attention, str, int]]:
    for name, module in block.named_modules():
        if isinstance(module, Attention):
            yield f"{prefix}.{name}", module, place, level


class UNetFamily(Family):
    prompts: ClassVar[Mapping[str, str]] = {"tokenizer": "prompt"}  # which prompt each tokenizer reads
    parts: ClassVar[Mapping[int, int]] = {1: 0, 2: 1}  # guidance puts the prompts' half last

    def denoiser(self, pipe: Any) -> nn.Module:
        return pipe.unet

    def sites(self, pipe: Any) -> tuple[Site, ...]:
        return unet_sites(pipe.unet)

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        latents = inputs["sample"]
        rows = last_rows(len(latents), call.images, self.parts_of(pipe), "UNet")
        return Pass(rows, tuple(latents.shape[-2:]))

    def layout(self, site: Site, passing: Pass) -> Layout:
        return Layout(grid_at(passing.latent_size, site.stride))

    def splits(self, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
        if arguments.get("prompt") is None:
            return None
        per_encoder = []
        for name, argument in self.prompts.items():
            tokenizer = getattr(pipe, name)
            prompt = arguments.get(argument) or arguments["prompt"]
            if tokenizer is not None:
                texts = [prompt] if isinstance(prompt, str) else list(prompt)
                expand = expansion(pipe, tokenizer)
                per_encoder.append([split_prompt(tokenizer, text, expand) for text in texts])
        if not per_encoder:
            raise ValueError(
                f"the pipeline has no tokenizer to find words with ({', '.join(self.prompts)}): "
                "keep it, it is "
                "small; the text encoder may go"
            )
        return [list(splits) for splits in zip(*per_encoder, strict=True)]

    def check_call(
        self, pipe: Any, arguments: Mapping[str, Any], splits: Sequence[Sequence[SplitPrompt]] | None
    ) -> None:
        embeds = arguments.get("prompt_embeds")
        if splits is None or embeds is None:
            return
        limit = splits[0][0].limit
        if embeds.shape[1] != limit:
            raise ValueError(
                f"prompt_embeds hold {embeds.shape[1]} tokens where the tokenizer makes {limit}: "
                "words cannot be "
                "found in prompts that were encoded in pieces. Use mask_method='ovam', which "
                "reads words beside "
                "the prompt"
            )

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        known = ("device", "lora_scale", "clip_skip")
        settings = {name: arguments[name] for name in known if name in arguments}
        embeds, *_ = encode_prompt(
            prompt=list(texts), num_images_per_prompt=1, do_classifier_free_guidance=False, **settings
        )
        return list(embeds)

    def context_width(self, pipe: Any) -> int:
        return pipe.unet.config.cross_attention_dim

    def encode_plain(self, pipe: Any, prompts: Sequence[str]) -> tuple:
        return pipe.encode_prompt(
            prompt=list(prompts),
            device=pipe._execution_device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )

    def guidance_embedding(self, pipe: Any, embeds: Tensor) -> Tensor | None:
        """Models distilled for guidance (LCM) are told a scale; 1 means none."""
        width = pipe.unet.config.time_cond_proj_dim
        if width is None:
            return None
        scales = torch.zeros(len(embeds))  # scale − 1, as the pipelines pass it
        return pipe.get_guidance_scale_embedding(scales, embedding_dim=width).to(embeds)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, *_ = self.encode_plain(pipe, prompts)
        return {"encoder_hidden_states": embeds, "timestep_cond": self.guidance_embedding(pipe, embeds)}

    def check_plain_input(self, pipe: Any) -> None:
        channels = pipe.unet.config.in_channels
        if channels != pipe.vae.config.latent_channels:
            raise ValueError(
                f"the UNet takes {channels} channels: one that is given a picture beside the latents, as for "
                "inpainting, cannot look at plain images"
            )

    def look(self, pipe: Any, latents: Tensor, noise: Tensor, strength: float, conditions: dict) -> None:
        timestep = round(strength * (pipe.scheduler.config.num_train_timesteps - 1))
        noisy = diffused(latents, noise, pipe.scheduler.alphas_cumprod[timestep])
        pipe.unet(noisy, timestep, return_dict=False, **conditions)
