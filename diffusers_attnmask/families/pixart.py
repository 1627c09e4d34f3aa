"""PixArt-α and -Σ: a transformer that looks at T5's tokens in layers of their own, sampled by diffusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusers_attnmask.families.base import diffused
from diffusers_attnmask.families.cross import CrossFamily
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt


class PixArt(CrossFamily):
    name: ClassVar[str] = "PixArt-α and -Σ"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {"PixArtAlphaPipeline", "PixArtSigmaPAGPipeline", "PixArtSigmaPipeline"}
    )

    @property
    def text_to_image(self) -> str:
        return "PixArtSigmaPipeline"

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        return split_prompt(pipe.tokenizer, text, limit=arguments.get("max_sequence_length") or 120)

    def words_as_keys(self, pipe: Any, contexts: Tensor) -> Tensor:
        return pipe.transformer.caption_projection(contexts)

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        """Models for 1024 pixels are also told the size of the image and its shape."""
        told: dict[str, Any] = {"resolution": None, "aspect_ratio": None}
        conditions = super().conditions(pipe, prompts, size)
        if pipe.transformer.use_additional_conditions:
            like = conditions["encoder_hidden_states"]
            told["resolution"] = torch.tensor([size] * len(prompts)).to(like)
            told["aspect_ratio"] = torch.tensor([[size[0] / size[1]]] * len(prompts)).to(like)
        return {**conditions, "added_cond_kwargs": told}

    def look(self, pipe: Any, latents: Tensor, noise: Tensor, strength: float, conditions: dict) -> None:
        timestep = round(strength * (pipe.scheduler.config.num_train_timesteps - 1))
        noisy = diffused(latents, noise, pipe.scheduler.alphas_cumprod[timestep])
        self.denoise(pipe, noisy, timestep, conditions)
