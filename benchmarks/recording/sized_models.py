"""Denoisers of published sizes with random weights, in pipelines whose other parts are small."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from benchmarks.recording.small_parts import autoencoder, clip, randomly, t5, words
from diffusers_attnmask import DiffuMaskPipeline, bundled_model

SD15_UNET = {  # the published configuration of Stable Diffusion 1.5
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
SD3_MEDIUM = {  # Stable Diffusion 3 medium, but for its 24 blocks
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}
FLUX_DEV = {  # FLUX.1-dev, but for its 19 and 38 blocks
    "in_channels": 64,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
}


def sized(shape: str, blocks: int, dtype: torch.dtype, device: str) -> Any:
    """A pipeline by the name of its shape; blocks: of a transformer, of each kind that it has."""
    makers = {"bundled": bundled, "sd15": sd15, "sd3": lambda: sd3(blocks), "flux": lambda: flux(blocks)}
    if shape not in makers:
        raise ValueError(f"shape {shape!r} is none of {', '.join(makers)}")
    pipe = makers[shape]()
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device, dtype)


def bundled() -> Any:
    return DiffuMaskPipeline.from_pretrained(bundled_model())


def sd15() -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=autoencoder(4),
        text_encoder=CLIPTextModel(clip(768)),
        tokenizer=words(),
        unet=randomly(UNet2DConditionModel, SD15_UNET),
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd3(blocks: int) -> StableDiffusion3Pipeline:
    """T5's part of the text is zeros, as without its encoder: 77 + 256 places."""
    return StableDiffusion3Pipeline(
        transformer=randomly(SD3Transformer2DModel, {**SD3_MEDIUM, "num_layers": blocks}),
        vae=autoencoder(16),
        text_encoder=CLIPTextModelWithProjection(clip(768)),
        tokenizer=words(),
        text_encoder_2=CLIPTextModelWithProjection(clip(1280)),
        tokenizer_2=words(),
        text_encoder_3=None,
        tokenizer_3=None,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def flux(blocks: int) -> FluxPipeline:
    t5_encoder, t5_tokenizer = t5(4096, 512)
    return FluxPipeline(
        transformer=randomly(
            FluxTransformer2DModel, {**FLUX_DEV, "num_layers": blocks, "num_single_layers": blocks}
        ),
        vae=autoencoder(16),
        text_encoder=CLIPTextModel(clip(768)),
        tokenizer=words(),
        text_encoder_2=t5_encoder,
        tokenizer_2=t5_tokenizer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
