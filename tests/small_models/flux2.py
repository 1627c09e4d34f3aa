"""A small FLUX.2 and a small Klein, with as many layers in their language models as are read."""

from __future__ import annotations

import functools

import torch
from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Pipeline, Flux2Transformer2DModel
from diffusers.pipelines.flux2.system_messages import SYSTEM_MESSAGE
from transformers import (
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PixtralImageProcessor,
    PixtralProcessor,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tests.small_models.byte_pairs import MISTRAL_CHAT, mistral_tokenizer, qwen_tokenizer
from tests.small_models.flow_parts import DEPTH, HEADS, Small, assembled, spread_out
from tests.small_models.seeds import seeded

WIDTH = 16
LANGUAGE = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "bos_token_id": None,
    "eos_token_id": None,
}


def told_apart(model):
    """Words whose embeddings differ enough for images to."""
    model.get_input_embeddings().weight.data.normal_(0, 0.5)
    return model.eval()


@functools.cache
def mistral(vocabulary):
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 8,
        "image_size": 64,
    }
    text = {"model_type": "mistral", "vocab_size": vocabulary, "num_hidden_layers": 30, **LANGUAGE}
    with seeded("mistral"):
        config = Mistral3Config(
            text_config=text, vision_config={"model_type": "pixtral", **vision}, image_token_id=8
        )
        return told_apart(Mistral3ForConditionalGeneration(config))


@functools.cache
def qwen3(vocabulary, layers=27):
    with seeded(f"qwen3 {layers}"):
        return told_apart(
            Qwen3ForCausalLM(Qwen3Config(vocab_size=vocabulary, num_hidden_layers=layers, **LANGUAGE))
        )


@functools.cache
def square_autoencoder(channels=4):
    """It knows the mean and the spread of squares of 2 × 2 cells."""
    with seeded(f"square autoencoder {channels}"):
        vae = AutoencoderKLFlux2(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            norm_num_groups=4,
            latent_channels=channels,
        )
        vae.bn.running_mean.normal_()
        vae.bn.running_var.uniform_(0.5, 2)
    return vae.eval()


@functools.cache
def flux2_transformer(guided):
    with seeded(f"flux2 transformer {guided}"):
        return spread_out(
            Flux2Transformer2DModel(
                in_channels=16,
                num_layers=3,
                num_single_layers=2,
                attention_head_dim=DEPTH,
                num_attention_heads=HEADS,
                joint_attention_dim=3 * WIDTH,
                timestep_guidance_channels=32,
                axes_dims_rope=(4, 4, 4, 4),
                guidance_embeds=guided,
            )
        )


def flux2(*, fresh=False, dtype=torch.float32):
    tokenizer = mistral_tokenizer(SYSTEM_MESSAGE)
    processor = PixtralProcessor(
        PixtralImageProcessor(), tokenizer, patch_size=16, spatial_merge_size=2, chat_template=MISTRAL_CHAT
    )
    return assembled(
        Flux2Pipeline,
        fresh,
        dtype,
        transformer=flux2_transformer(True),
        vae=square_autoencoder(),
        text_encoder=mistral(len(tokenizer)),
        tokenizer=processor,
    )


def flux2_klein(*, fresh=False, dtype=torch.float32):
    tokenizer = qwen_tokenizer("<|im_start|>user\n<|im_end|>assistant<think></think>")
    return assembled(
        Flux2KleinPipeline,
        fresh,
        dtype,
        transformer=flux2_transformer(False),
        vae=square_autoencoder(),
        text_encoder=qwen3(len(tokenizer)),
        tokenizer=tokenizer,
    )


LENGTH = 64  # of the text, padding included


def places_before_the_end(pipe, prompt, words):
    """Padding, system message and [INST] come before the prompt, [/INST] alone behind it."""
    said = prompt.split()
    return [LENGTH - 1 - len(said) + index for index, word in enumerate(said) if word in words]


def places_behind_the_start(pipe, prompt, words):
    """Behind <|im_start|>, user and a line break."""
    return [3 + index for index, word in enumerate(prompt.split()) if word in words]


FLUX2 = {
    "flux2": Small(
        flux2,
        guided={"max_sequence_length": LENGTH},  # it is distilled
        unguided={"max_sequence_length": LENGTH},
        places=places_before_the_end,
        text_inputs=("encoder_hidden_states", "txt_ids"),
    ),
    "flux2-klein": Small(
        flux2_klein,
        guided={"guidance_scale": 4.0, "max_sequence_length": LENGTH},
        unguided={"guidance_scale": 1.0, "max_sequence_length": LENGTH},
        places=places_behind_the_start,
        text_inputs=("encoder_hidden_states", "txt_ids"),
    ),
}
