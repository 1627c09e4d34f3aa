"""A small Qwen-Image."""

from __future__ import annotations

import functools

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    QwenImageControlNetModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from tests.small_models.byte_pairs import qwen_tokenizer
from tests.small_models.flow_parts import DEPTH, HEADS, Small, assembled, spread_out
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH

TEMPLATE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, "
    "spatial relationships of the objects and background:<|im_end|>\n<|im_start|>user\n"
)  # 34 tokens


@functools.cache
def vision_language_model(vocabulary):
    """Qwen2.5-VL with an eye that sees nothing here."""
    text = {
        "vocab_size": vocabulary,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
        "bos_token_id": None,
        "eos_token_id": None,
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": TEXT_WIDTH,
        "fullatt_block_indexes": [0],
    }
    with seeded("vision language model"):
        model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))
        model.get_input_embeddings().weight.data.normal_(0, 0.5)
    return model.eval()


@functools.cache
def video_autoencoder(channels=4):
    with seeded("video autoencoder"):
        return AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=channels,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.1 * index for index in range(channels)],
            latents_std=[1.0 + 0.5 * index for index in range(channels)],
        ).eval()


SHAPE = {
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 4,
    "attention_head_dim": DEPTH,
    "num_attention_heads": HEADS,
    "joint_attention_dim": TEXT_WIDTH,
    "axes_dims_rope": (4, 6, 6),
}


@functools.cache
def qwen_transformer():
    with seeded("qwen transformer"):
        return spread_out(QwenImageTransformer2DModel(num_layers=3, **SHAPE))


@functools.cache
def qwen_controlnet(**changes):
    with seeded("qwen controlnet"):
        return spread_out(QwenImageControlNetModel(num_layers=1, **SHAPE, **changes))


def qwen_image(*, fresh=False, dtype=torch.float32):
    tokenizer = qwen_tokenizer(TEMPLATE)
    return assembled(
        QwenImagePipeline,
        fresh,
        dtype,
        transformer=qwen_transformer(),
        vae=video_autoencoder(),
        text_encoder=vision_language_model(len(tokenizer)),
        tokenizer=tokenizer,
    )


QWEN_IMAGE = Small(
    qwen_image,
    guided={"true_cfg_scale": 2.0, "negative_prompt": "a car"},
    unguided={"true_cfg_scale": 1.0},
    places=lambda pipe, prompt, words: [
        index for index, word in enumerate(prompt.split()) if word in words
    ],  # the template before them is dropped
)
