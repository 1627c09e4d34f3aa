"""A small HiDream."""

from __future__ import annotations

import functools

import torch
from diffusers import HiDreamImagePipeline, HiDreamImageTransformer2DModel
from transformers import LlamaConfig, LlamaForCausalLM

from tests.small_models.byte_pairs import llama_tokenizer
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
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH, text_encoder, tokenizer

POSITIONS = 128  # of the encoders of the text as a whole
LENGTH = 32  # of each of the texts
CELLS = 10  # to a side of the square whose area all images have: 96 × 64 pixels fit it


@functools.cache
def llama():
    config = LlamaConfig(
        vocab_size=len(llama_tokenizer()),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation="eager",  # the pipeline asks for its attention
    )
    with seeded("llama"):
        return spread_out(LlamaForCausalLM(config))


@functools.cache
def hidream_transformer():
    with seeded("hidream transformer"):
        return spread_out(
            HiDreamImageTransformer2DModel(
                patch_size=2,
                in_channels=4,
                out_channels=4,
                num_layers=2,
                num_single_layers=2,
                attention_head_dim=DEPTH,
                num_attention_heads=HEADS,
                caption_channels=[TEXT_WIDTH, TEXT_WIDTH],
                text_emb_dim=2 * TEXT_WIDTH,
                num_routed_experts=2,
                num_activated_experts=1,
                axes_dims_rope=(4, 6, 6),
                max_resolution=(16, 16),
                llama_layers=[0, 1, 0, 2],
            )
        )


def hidream(*, fresh=False, dtype=torch.float32):
    pipe = assembled(
        HiDreamImagePipeline,
        fresh,
        dtype,
        transformer=hidream_transformer(),
        vae=flow_autoencoder(),
        text_encoder=text_encoder(projected=True, positions=POSITIONS),
        tokenizer=tokenizer(),
        text_encoder_2=text_encoder(projected=True, positions=POSITIONS),
        tokenizer_2=tokenizer(pad_token="!"),
        text_encoder_3=t5_encoder(),
        tokenizer_3=t5_tokenizer(),
        text_encoder_4=llama(),
        tokenizer_4=llama_tokenizer(),
    )
    pipe.default_sample_size = CELLS
    return pipe


def hidream_places(pipe, prompt, words):
    """T5's tokens, then Llama's twice, behind their start token."""
    own = [index for index, word in enumerate(prompt.split()) if word in words]
    return [*own, *(LENGTH * copy + 1 + index for copy in (1, 2) for index in own)]


HIDREAM = Small(
    hidream,
    guided={"guidance_scale": 3.0, "max_sequence_length": LENGTH},
    unguided={"guidance_scale": 1.0, "max_sequence_length": LENGTH},
    places=hidream_places,
    attributes={"default_sample_size": CELLS},
)
