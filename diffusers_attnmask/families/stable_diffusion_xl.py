"""Stable Diffusion XL: a UNet that reads two text encoders, side by side."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from diffusers_attnmask.families.unet import UNetFamily

AESTHETIC_SCORE = 6.0  # of a look at an existing image by the refiner, as the pipelines' default


class StableDiffusionXL(UNetFamily):
    """Dataset Diffusion reads self-attention at level 2 here, in place of level 1.

    At 1024² level 2 is the published grid of 32×32 places. Level 1 has 64×64: the mean that is recorded would
    take 64 MiB in float32. Two bytes a number would still take 32 MiB, before any cross-attention, and lose
    what hundreds of layers and steps add in small parts. The matrix cannot be spared: the published power
    is of the mean, so that its product with the cross-attention cannot be summed step by step. `self_level=1`
    is an option for those who have the memory.
    """

    name: ClassVar[str] = "Stable Diffusion XL"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "StableDiffusionXLAdapterPipeline",
            "StableDiffusionXLControlNetPAGImg2ImgPipeline",
            "StableDiffusionXLControlNetPAGPipeline",
            "StableDiffusionXLPAGImg2ImgPipeline",
            "StableDiffusionXLPAGInpaintPipeline",
            "StableDiffusionXLPAGPipeline",
            "StableDiffusionXLControlNetImg2ImgPipeline",
            "StableDiffusionXLControlNetInpaintPipeline",
            "StableDiffusionXLControlNetPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
            "StableDiffusionXLPipeline",
        }
    )
    prompts: ClassVar[Mapping[str, str]] = {"tokenizer": "prompt", "tokenizer_2": "prompt_2"}
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dataset-diffusion": {"self_level": 2},
        "goca": {"self_level": 2},
    }

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, _, pooled, _ = self.encode_plain(pipe, prompts)
        width = pooled.shape[-1] if pipe.text_encoder_2 is None else pipe.text_encoder_2.config.projection_dim
        told: dict[str, Any] = {"original_size": size, "crops_coords_top_left": (0, 0), "target_size": size}
        asked = inspect.signature(pipe._get_add_time_ids).parameters
        if "aesthetic_score" in asked:  # pipelines that start from a picture, as the refiner's do
            negative = {f"negative_{name}": own for name, own in told.items()}
            told |= {
                "aesthetic_score": AESTHETIC_SCORE,
                "negative_aesthetic_score": AESTHETIC_SCORE,
                **negative,
            }
        time_ids = pipe._get_add_time_ids(**told, dtype=embeds.dtype, text_encoder_projection_dim=width)
        time_ids = time_ids[0] if isinstance(time_ids, tuple) else time_ids
        conditions = {"text_embeds": pooled, "time_ids": time_ids.to(embeds.device).repeat(len(embeds), 1)}
        return {
            "encoder_hidden_states": embeds,
            "timestep_cond": self.guidance_embedding(pipe, embeds),
            "added_cond_kwargs": conditions,
        }
