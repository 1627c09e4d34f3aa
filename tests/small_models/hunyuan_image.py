"""A small HunyuanImage."""

from __future__ import annotations

import functools

import torch
from diffusers import (
    AutoencoderKLHunyuanImage,
    HunyuanImagePipeline,
    HunyuanImageTransformer2DModel,
)
from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

from tests.small_models.byte_pairs import qwen_tokenizer
from tests.small_models.flow_parts import DEPTH, HEADS, Small, assembled, spread_out
from tests.small_models.qwen_image import TEMPLATE, vision_language_model
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH


@functools.cache
def glyph_encoder():
    config = T5Config(vocab_size=384, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    with seeded("glyphs"):
        return spread_out(T5EncoderModel(config))


@functools.cache
def hunyuan_autoencoder():
    with seeded("hunyuan autoencoder"):
        return AutoencoderKLHunyuanImage(
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            block_out_channels=(32, 32, 32, 32),
            layers_per_block=1,
            spatial_compression_ratio=8,
            sample_size=128,
            scaling_factor=0.75,
        ).eval()


@functools.cache
def hunyuan_transformer():
    with seeded("hunyuan transformer"):
        return spread_out(
            HunyuanImageTransformer2DModel(
                in_channels=4,
                out_channels=4,
                num_attention_heads=HEADS,
                attention_head_dim=DEPTH,
                num_layers=2,
                num_single_layers=2,
                num_refiner_layers=1,
                text_embed_dim=TEXT_WIDTH,
                text_embed_2_dim=16,
                rope_axes_dim=(8, 8),
            )
        )


def hunyuan_image(*, fresh=False, dtype=torch.float32):
    """Guidance is a component of the pipeline, not an argument of the call; here is none."""
    tokenizer = qwen_tokenizer(TEMPLATE)
    return assembled(
        HunyuanImagePipeline,
        fresh,
        dtype,
        transformer=hunyuan_transformer(),
        vae=hunyuan_autoencoder(),
        text_encoder=vision_language_model(len(tokenizer)),
        tokenizer=tokenizer,
        text_encoder_2=glyph_encoder(),
        tokenizer_2=ByT5Tokenizer(),
    )


HUNYUAN_IMAGE = Small(
    hunyuan_image,
    guided={"negative_prompt": "a car"},
    unguided={},
    places=lambda pipe, prompt, words: [
        index for index, word in enumerate(prompt.split()) if word in words
    ],  # the template before them is dropped
)
