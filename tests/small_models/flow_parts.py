"""What the small pipelines of several transformer families are made of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
)
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from tests.small_models.pipelines import of_dtype
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH, WORDS

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


def assembled(pipeline_class, fresh, dtype, scheduler=None, **components):
    components = {
        name: of_dtype(part, dtype, fresh) if isinstance(part, torch.nn.Module) else part
        for name, part in components.items()
    }
    scheduler = scheduler or FlowMatchEulerDiscreteScheduler(shift=3.0)
    pipe = pipeline_class(scheduler=scheduler, **components)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@dataclass(frozen=True)
class Small:
    """A family's small pipeline, how it is called with guidance and without, and where words stand in its
    text.

    places(pipe, prompt, words): places of the words' tokens in the text that the denoiser is given, worked
    out by hand. in_order: whether the denoiser's last comparisons are those of its sites, one each, in their
    order. text_inputs: of the denoiser, each (…, tokens, D), where they can be cut. text_masks: of its
    inputs, those that say which of the tokens are text. attributes: of the pipeline, which no folder keeps.
    """

    build: Callable[..., Any]
    guided: Mapping[str, Any]
    unguided: Mapping[str, Any]
    places: Callable[[Any, str, Sequence[str]], list[int]]
    in_order: bool = True
    text_inputs: tuple[str, ...] = ("encoder_hidden_states",)
    text_masks: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
