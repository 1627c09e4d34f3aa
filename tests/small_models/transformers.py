"""Whole pipelines of the families whose denoiser is a transformer."""

from __future__ import annotations

import functools

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel, SD3Transformer2DModel, StableDiffusion3Pipeline

from tests.small_models.cross_transformers import CROSS
from tests.small_models.flow_parts import (
    DEPTH,
    HEADS,
    Small,
    assembled,
    flow_autoencoder,
    spread_out,
    t5_encoder,
    t5_tokenizer,
)
from tests.small_models.flux2 import FLUX2
from tests.small_models.hidream import HIDREAM
from tests.small_models.hunyuan_image import HUNYUAN_IMAGE
from tests.small_models.joint_transformers import JOINT
from tests.small_models.kandinsky5 import KANDINSKY5
from tests.small_models.qwen_image import QWEN_IMAGE
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH, text_encoder, tokenizer
from tests.small_models.z_image import Z_IMAGE

SD3_SHAPE = {
    "sample_size": 16,
    "patch_size": 2,
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 4,
    "attention_head_dim": DEPTH,
    "num_attention_heads": HEADS,
    "joint_attention_dim": 2 * TEXT_WIDTH,
    "caption_projection_dim": HEADS * DEPTH,
    "pooled_projection_dim": 2 * TEXT_WIDTH,
    "pos_embed_max_size": 32,
    "dual_attention_layers": (0, 1),
    "qk_norm": "rms_norm",
}
FLUX_SHAPE = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": DEPTH,
    "num_attention_heads": HEADS,
    "joint_attention_dim": TEXT_WIDTH,
    "pooled_projection_dim": TEXT_WIDTH,
    "guidance_embeds": True,
    "axes_dims_rope": (4, 6, 6),
}


@functools.cache
def sd3_transformer(**changes):
    with seeded("sd3 transformer"):
        return spread_out(SD3Transformer2DModel(**SD3_SHAPE | changes))


@functools.cache
def flux_transformer(**changes):
    with seeded("flux transformer"):
        return spread_out(FluxTransformer2DModel(**FLUX_SHAPE | changes))


def sd3(*, fresh=False, dtype=torch.float32, t5=True, **changes):
    return assembled(
        StableDiffusion3Pipeline,
        fresh,
        dtype,
        transformer=sd3_transformer(**changes),
        vae=flow_autoencoder(),
        text_encoder=text_encoder(projected=True),
        tokenizer=tokenizer(),
        text_encoder_2=text_encoder(projected=True),
        tokenizer_2=tokenizer(pad_token="!"),
        text_encoder_3=t5_encoder(2 * TEXT_WIDTH) if t5 else None,
        tokenizer_3=t5_tokenizer() if t5 else None,
    )


def flux(*, fresh=False, dtype=torch.float32):
    return assembled(
        FluxPipeline,
        fresh,
        dtype,
        transformer=flux_transformer(),
        vae=flow_autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        text_encoder_2=t5_encoder(),
        tokenizer_2=t5_tokenizer(),
    )


def clip_places(prompt, words):
    """Words are one token each, behind the start token."""
    return [1 + index for index, word in enumerate(prompt.split()) if word in words]


def t5_places(prompt, words):
    """Words are one token each, from the first on."""
    return [index for index, word in enumerate(prompt.split()) if word in words]


TRANSFORMERS = {
    "sd3": Small(
        sd3,
        guided={"guidance_scale": 5.0, "max_sequence_length": 32},
        unguided={"guidance_scale": 1.0, "max_sequence_length": 32},
        places=lambda pipe, prompt, words: [
            *clip_places(prompt, words),
            *(77 + place for place in t5_places(prompt, words)),
        ],
    ),
    "flux": Small(
        flux,
        guided={"true_cfg_scale": 2.0, "negative_prompt": "a car", "max_sequence_length": 32},
        unguided={"max_sequence_length": 32},
        places=lambda pipe, prompt, words: t5_places(prompt, words),
        text_inputs=("encoder_hidden_states", "txt_ids"),
    ),
    **CROSS,
    **FLUX2,
    **JOINT,
    "hidream": HIDREAM,
    "hunyuan-image": HUNYUAN_IMAGE,
    "kandinsky5": KANDINSKY5,
    "qwen-image": QWEN_IMAGE,
    "z-image": Z_IMAGE,
}
