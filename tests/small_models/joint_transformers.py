"""Whole pipelines of further transformers that compare image and text in one row."""

from __future__ import annotations

import functools

import torch
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
)
from transformers import GlmConfig, GlmModel, UMT5Config, UMT5EncoderModel

from tests.small_models.byte_pairs import glm_tokenizer
from tests.small_models.cross_transformers import gemma_encoder, gemma_tokenizer
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
from tests.small_models.text import TEXT_WIDTH


@functools.cache
def umt5_encoder():
    config = UMT5Config(
        vocab_size=len(t5_tokenizer()), d_model=TEXT_WIDTH, d_kv=8, d_ff=64, num_layers=2, num_heads=4
    )
    with seeded("umt5"):
        encoder = UMT5EncoderModel(config).eval()
        encoder.shared.weight.data.normal_(0, 0.5)
    return encoder


@functools.cache
def glm_encoder():
    config = GlmConfig(
        vocab_size=len(glm_tokenizer()),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        pad_token_id=glm_tokenizer().pad_token_id,
        eos_token_id=glm_tokenizer().pad_token_id,
    )
    with seeded("glm"):
        return spread_out(GlmModel(config))


@functools.cache
def chroma_transformer():
    with seeded("chroma transformer"):
        return spread_out(
            ChromaTransformer2DModel(
                in_channels=16,
                num_layers=2,
                num_single_layers=2,
                attention_head_dim=DEPTH,
                num_attention_heads=HEADS,
                joint_attention_dim=TEXT_WIDTH,
                axes_dims_rope=(4, 6, 6),
                approximator_num_channels=16,
                approximator_hidden_dim=32,
                approximator_layers=1,
            )
        )


@functools.cache
def aura_flow_transformer():
    with seeded("aura flow transformer"):
        return spread_out(
            AuraFlowTransformer2DModel(
                sample_size=16,
                num_mmdit_layers=2,
                num_single_dit_layers=2,
                attention_head_dim=DEPTH,
                num_attention_heads=HEADS,
                joint_attention_dim=TEXT_WIDTH,
                caption_projection_dim=HEADS * DEPTH,
                pos_embed_max_size=256,
            )
        )


@functools.cache
def lumina2_transformer():
    with seeded("lumina2 transformer"):
        return spread_out(
            Lumina2Transformer2DModel(
                sample_size=16,
                in_channels=4,
                hidden_size=4 * DEPTH,
                num_layers=2,
                num_refiner_layers=1,
                num_attention_heads=4,
                num_kv_heads=2,
                multiple_of=16,
                axes_dim_rope=(4, 6, 6),
                axes_lens=(300, 64, 64),
                cap_feat_dim=TEXT_WIDTH,
            )
        )


@functools.cache
def cogview4_transformer():
    with seeded("cogview4 transformer"):
        return spread_out(
            CogView4Transformer2DModel(
                in_channels=4,
                out_channels=4,
                num_layers=3,
                attention_head_dim=DEPTH,
                num_attention_heads=HEADS,
                text_embed_dim=TEXT_WIDTH,
                time_embed_dim=32,
                condition_dim=8,
                sample_size=16,
                rope_axes_dim=(32, 32),
            )
        )


def chroma(*, fresh=False, dtype=torch.float32):
    return assembled(
        ChromaPipeline,
        fresh,
        dtype,
        transformer=chroma_transformer(),
        vae=flow_autoencoder(),
        text_encoder=t5_encoder(),
        tokenizer=t5_tokenizer(),
    )


def aura_flow(*, fresh=False, dtype=torch.float32):
    return assembled(
        AuraFlowPipeline,
        fresh,
        dtype,
        transformer=aura_flow_transformer(),
        vae=flow_autoencoder(),
        text_encoder=umt5_encoder(),
        tokenizer=t5_tokenizer(),
    )


def lumina2(*, fresh=False, dtype=torch.float32):
    return assembled(
        Lumina2Pipeline,
        fresh,
        dtype,
        transformer=lumina2_transformer(),
        vae=flow_autoencoder(),
        text_encoder=gemma_encoder(),
        tokenizer=gemma_tokenizer(),
    )


def cogview4(*, fresh=False, dtype=torch.float32):
    return assembled(
        CogView4Pipeline,
        fresh,
        dtype,
        transformer=cogview4_transformer(),
        vae=flow_autoencoder(),
        text_encoder=glm_encoder(),
        tokenizer=glm_tokenizer(),
    )


def first_places(pipe, prompt, words):
    """Words are one token each, from the first on."""
    return [index for index, word in enumerate(prompt.split()) if word in words]


def lumina2_places(pipe, prompt, words):
    """Behind start token, system prompt and its mark; the space before the prompt is its first word's."""
    before = len(gemma_tokenizer()(f"{SYSTEM} <Prompt Start>").input_ids)
    return [before + place for place in first_places(pipe, prompt, words)]


def cogview4_places(pipe, prompt, words):
    """Two special tokens and at most fourteen words fill sixteen places, from the right."""
    return [16 - len(prompt.split()) + place for place in first_places(pipe, prompt, words)]


SYSTEM = "You paint"
SHORT = {"max_sequence_length": 32}

JOINT = {
    "chroma": Small(
        chroma,
        guided={"guidance_scale": 3.0, **SHORT},
        unguided={"guidance_scale": 1.0, **SHORT},
        places=first_places,
        text_inputs=("encoder_hidden_states", "txt_ids"),
        text_masks=("attention_mask",),
    ),
    "aura flow": Small(
        aura_flow,
        guided={"guidance_scale": 3.0, **SHORT},
        unguided={"guidance_scale": 1.0, **SHORT},
        places=first_places,
    ),
    "lumina2": Small(
        lumina2,
        guided={"guidance_scale": 3.0, "system_prompt": SYSTEM},
        unguided={"guidance_scale": 1.0, "system_prompt": SYSTEM},
        places=lumina2_places,
        text_masks=("encoder_attention_mask",),
    ),
    "cogview4": Small(
        cogview4,
        guided={"guidance_scale": 3.0, **SHORT},
        unguided={"guidance_scale": 1.0, **SHORT},
        places=cogview4_places,
    ),
}
