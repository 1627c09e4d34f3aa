"""Whole pipelines of the families whose denoiser is a transformer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from tests.small_models.pipelines import of_dtype
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH, WORDS, text_encoder, tokenizer

HEADS, DEPTH = 2, 16


@functools.cache
def t5_tokenizer():
    """T5's kind: pieces with scores (Unigram), the space before a word part of its piece, one end token."""
    letters = [
        (letter, -9.0) for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.'!;-"
    ]
    words = [(f"▁{word}", -2.0) for word in WORDS.split()]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0), *words, *letters]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=64)


@functools.cache
def t5_encoder(width=TEXT_WIDTH):
    config = T5Config(
        vocab_size=len(t5_tokenizer()), d_model=width, d_kv=8, d_ff=2 * width, num_layers=2, num_heads=4
    )
    with seeded(f"t5 {width}"):
        encoder = T5EncoderModel(config).eval()
        encoder.shared.weight.data.normal_(0, 0.5)
    return encoder


@functools.cache
def flow_autoencoder(channels=4):
    with seeded(f"flow autoencoder {channels}"):
        return AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=4,
            latent_channels=channels,
            scaling_factor=1.5,
            shift_factor=0.1,
            use_quant_conv=False,
            use_post_quant_conv=False,
            sample_size=128,
        ).eval()


def spread_out(model):
    """Weights wide enough for attention to differ from place to place; zero-initialised ones included."""
    for name, weights in model.named_parameters():
        if weights.ndim > 1:
            weights.data.normal_(0, weights[0].numel() ** -0.5)
        elif name.endswith("bias"):
            weights.data.normal_(0, 0.1)
    return model.eval()


@functools.cache
def sd3_transformer():
    with seeded("sd3 transformer"):
        return spread_out(
            SD3Transformer2DModel(
                sample_size=16,
                patch_size=2,
                in_channels=4,
                out_channels=4,
                num_layers=4,
                attention_head_dim=DEPTH,
                num_attention_heads=HEADS,
                joint_attention_dim=2 * TEXT_WIDTH,
                caption_projection_dim=HEADS * DEPTH,
                pooled_projection_dim=2 * TEXT_WIDTH,
                pos_embed_max_size=32,
                dual_attention_layers=(0, 1),
                qk_norm="rms_norm",
            )
        )


@functools.cache
def flux_transformer():
    with seeded("flux transformer"):
        return spread_out(
            FluxTransformer2DModel(
                patch_size=1,
                in_channels=16,
                num_layers=2,
                num_single_layers=2,
                attention_head_dim=DEPTH,
                num_attention_heads=HEADS,
                joint_attention_dim=TEXT_WIDTH,
                pooled_projection_dim=TEXT_WIDTH,
                guidance_embeds=True,
                axes_dims_rope=(4, 6, 6),
            )
        )


def assembled(pipeline_class, fresh, dtype, **components):
    components = {
        name: of_dtype(part, dtype, fresh) if isinstance(part, torch.nn.Module) else part
        for name, part in components.items()
    }
    pipe = pipeline_class(scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), **components)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sd3(*, fresh=False, dtype=torch.float32, t5=True):
    return assembled(
        StableDiffusion3Pipeline,
        fresh,
        dtype,
        transformer=sd3_transformer(),
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


@dataclass(frozen=True)
class Small:
    """A family's small pipeline, how it is called with guidance and without, and where words stand in its
    text.

    places(pipe, prompt, words): places of the words' tokens in the text that the denoiser is given, worked
    out by hand. in_order: whether the denoiser's last comparisons are those of its sites, one each, in their
    order.
    """

    build: Callable[..., Any]
    guided: Mapping[str, Any]
    unguided: Mapping[str, Any]
    places: Callable[[Any, str, Sequence[str]], list[int]]
    in_order: bool = True


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
    ),
}
