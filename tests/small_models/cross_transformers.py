"""Whole pipelines of the transformers that look at their text in layers of its own."""

from __future__ import annotations

import functools
import string

import torch
from diffusers import (
    AutoencoderDC,
    DPMSolverMultistepScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
)
from transformers import Gemma2Config, Gemma2Model, GemmaTokenizer

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
from tests.small_models.pipelines import ddim
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH, WORDS, merges_of

INSTRUCTION = ["Say what is to be seen:", "Prompt: "]


@functools.cache
def gemma_tokenizer():
    """Gemma's kind: byte-pair encoding of the whole text, the space before a word part of its token."""
    merges = merges_of([["▁", *word] for word in WORDS.split()])
    letters = [*string.printable.replace(" ", ""), "▁"]
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *letters, *map("".join, merges)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return GemmaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True)


@functools.cache
def gemma_encoder():
    config = Gemma2Config(
        vocab_size=len(gemma_tokenizer()),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        query_pre_attn_scalar=8,
    )
    with seeded("gemma"):
        return spread_out(Gemma2Model(config))


@functools.cache
def compressing_autoencoder():
    with seeded("compressing autoencoder"):
        return AutoencoderDC(
            latent_channels=4,
            encoder_block_types="ResBlock",
            decoder_block_types="ResBlock",
            encoder_block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            encoder_layers_per_block=(1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1),
            encoder_qkv_multiscales=((), (), (), ()),
            decoder_qkv_multiscales=((), (), (), ()),
            scaling_factor=0.5,
        ).eval()


@functools.cache
def pixart_transformer(**changes):
    with seeded("pixart transformer"):
        config = {
            "num_attention_heads": HEADS,
            "attention_head_dim": DEPTH,
            "num_layers": 3,
            "cross_attention_dim": HEADS * DEPTH,
            "caption_channels": TEXT_WIDTH,
            "sample_size": 16,
        }
        return spread_out(PixArtTransformer2DModel(**config | changes))


SANA_SHAPE = {
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 3,
    "num_attention_heads": HEADS,
    "attention_head_dim": DEPTH,
    "num_cross_attention_heads": HEADS,
    "cross_attention_head_dim": DEPTH,
    "cross_attention_dim": HEADS * DEPTH,
    "caption_channels": TEXT_WIDTH,
    "sample_size": 16,
}


@functools.cache
def sana_transformer(qk_norm="rms_norm_across_heads", **changes):
    with seeded("sana transformer"):
        return spread_out(SanaTransformer2DModel(**SANA_SHAPE, qk_norm=qk_norm, **changes))


def pixart(*, fresh=False, dtype=torch.float32, kind=PixArtSigmaPipeline, **changes):
    return assembled(
        kind,
        fresh,
        dtype,
        scheduler=ddim(),
        transformer=pixart_transformer(**changes),
        vae=flow_autoencoder(),
        text_encoder=t5_encoder(),
        tokenizer=t5_tokenizer(),
    )


def sana(*, fresh=False, dtype=torch.float32, kind=SanaPipeline, scheduler=None, **changes):
    return assembled(
        kind,
        fresh,
        dtype,
        scheduler=scheduler
        or DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=sana_transformer(**changes),
        vae=compressing_autoencoder(),
        text_encoder=gemma_encoder(),
        tokenizer=gemma_tokenizer(),
    )


def sana_sprint():
    return sana(kind=SanaSprintPipeline, scheduler=SCMScheduler(), guidance_embeds=True)


def sana_places(pipe, prompt, words):
    """Behind the start token: the instruction ends with a space, which becomes part of the first word."""
    return [1 + index for index, word in enumerate(prompt.split()) if word in words]


PLAIN_SIZES = {"use_resolution_binning": False, "max_sequence_length": 32}
INSTRUCTED = {"complex_human_instruction": INSTRUCTION}

CROSS = {
    "pixart": Small(
        pixart,
        guided={"guidance_scale": 5.0, **PLAIN_SIZES},
        unguided={"guidance_scale": 1.0, **PLAIN_SIZES},
        places=lambda pipe, prompt, words: [
            index for index, word in enumerate(prompt.split()) if word in words
        ],
    ),
    "sana": Small(
        sana,
        guided={"guidance_scale": 5.0, **PLAIN_SIZES, **INSTRUCTED},
        unguided={"guidance_scale": 1.0, **PLAIN_SIZES, **INSTRUCTED},
        places=sana_places,
    ),
}
