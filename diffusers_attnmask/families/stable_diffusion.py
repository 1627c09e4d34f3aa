"""Stable Diffusion 1.x and 2.x: a UNet that reads one text encoder."""

from __future__ import annotations

from typing import ClassVar

from diffusers_attnmask.families.unet import UNetFamily


class StableDiffusion(UNetFamily):
    name: ClassVar[str] = "Stable Diffusion 1.x and 2.x"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "LatentConsistencyModelImg2ImgPipeline",
            "LatentConsistencyModelPipeline",
            "StableDiffusionAdapterPipeline",
            "StableDiffusionControlNetPAGInpaintPipeline",
            "StableDiffusionControlNetPAGPipeline",
            "StableDiffusionPAGImg2ImgPipeline",
            "StableDiffusionPAGInpaintPipeline",
            "StableDiffusionPAGPipeline",
            "StableDiffusionControlNetImg2ImgPipeline",
            "StableDiffusionControlNetInpaintPipeline",
            "StableDiffusionControlNetPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionInpaintPipeline",
            "StableDiffusionPipeline",
        }
    )
