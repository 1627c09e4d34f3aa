"""A small Z-Image."""

from __future__ import annotations

import functools

import torch
from diffusers import ZImageControlNetModel, ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Config, Qwen3Model

from tests.small_models.byte_pairs import qwen_tokenizer
from tests.small_models.flow_parts import DEPTH, HEADS, Small, assembled, flow_autoencoder, spread_out
from tests.small_models.flux2 import LANGUAGE, WIDTH, told_apart
from tests.small_models.seeds import seeded


@functools.cache
def qwen3_body(vocabulary):
    with seeded("qwen3 body"):
        return told_apart(Qwen3Model(Qwen3Config(vocab_size=vocabulary, num_hidden_layers=3, **LANGUAGE)))


@functools.cache
def z_image_transformer():
    with seeded("z image transformer"):
        return spread_out(
            ZImageTransformer2DModel(
                in_channels=4,
                dim=HEADS * DEPTH,
                n_layers=3,
                n_refiner_layers=1,
                n_heads=HEADS,
                n_kv_heads=HEADS,
                cap_feat_dim=WIDTH,
                axes_dims=[4, 6, 6],
                axes_lens=[512, 64, 64],
            )
        )


def z_image_controlnet(channels=4):
    """It takes parts of the pipeline's transformer, so each pipeline needs its own."""
    with seeded("z image controlnet"):
        return spread_out(
            ZImageControlNetModel(
                control_layers_places=[0, 2],
                control_in_dim=channels,
                dim=HEADS * DEPTH,
                n_refiner_layers=1,
                n_heads=HEADS,
                n_kv_heads=HEADS,
            )
        )


def z_image(*, fresh=False, dtype=torch.float32):
    tokenizer = qwen_tokenizer("<|im_start|>user\n<|im_end|>assistant")
    return assembled(
        ZImagePipeline,
        fresh,
        dtype,
        transformer=z_image_transformer(),
        vae=flow_autoencoder(),
        text_encoder=qwen3_body(len(tokenizer)),
        tokenizer=tokenizer,
    )


Z_IMAGE = Small(
    z_image,
    guided={"guidance_scale": 4.0, "max_sequence_length": 64},
    unguided={"guidance_scale": 0.0, "max_sequence_length": 64},
    places=lambda pipe, prompt, words: [
        3 + index for index, word in enumerate(prompt.split()) if word in words
    ],  # behind <|im_start|>, user and a line break
    text_inputs=(),
)
