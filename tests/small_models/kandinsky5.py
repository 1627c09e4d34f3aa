"""A small Kandinsky 5."""

from __future__ import annotations

import functools

import torch
from diffusers import Kandinsky5T2IPipeline, Kandinsky5Transformer3DModel
from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

from tests.small_models.byte_pairs import QWEN_MARKS, QWEN_SIGHT_MARKS, qwen_tokenizer
from tests.small_models.flow_parts import DEPTH, HEADS, Small, assembled, flow_autoencoder, spread_out
from tests.small_models.qwen_image import vision_language_model
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH, text_encoder, tokenizer

TEMPLATE = (
    "<|im_start|>system\nYou are a prompt engineer. Describe the image by detailing the color, shape, size, "
    "texture, quantity, text, spatial relationships of the objects and background:<|im_end|>\n"
    "<|im_start|>user\n"
)  # 40 tokens
SIZES = [(96, 64)]  # width and height


@functools.cache
def kandinsky_transformer():
    with seeded("kandinsky transformer"):
        return spread_out(
            Kandinsky5Transformer3DModel(
                in_visual_dim=4,
                out_visual_dim=4,
                in_text_dim=TEXT_WIDTH,
                in_text_dim2=TEXT_WIDTH,
                time_dim=16,
                model_dim=HEADS * DEPTH,
                ff_dim=2 * HEADS * DEPTH,
                num_text_blocks=1,
                num_visual_blocks=3,
                axes_dims=(4, 6, 6),
            )
        )


@functools.cache
def qwen_processor():
    words = qwen_tokenizer(TEMPLATE, marks=QWEN_MARKS + QWEN_SIGHT_MARKS)
    return Qwen2VLProcessor(Qwen2VLImageProcessor(), words, Qwen2VLVideoProcessor())


def kandinsky5(*, fresh=False, dtype=torch.float32):
    words = qwen_processor()
    pipe = assembled(
        Kandinsky5T2IPipeline,
        fresh,
        dtype,
        transformer=kandinsky_transformer(),
        vae=flow_autoencoder(),
        text_encoder=vision_language_model(len(words.tokenizer)),
        tokenizer=words,
        text_encoder_2=text_encoder(),
        tokenizer_2=tokenizer(),
    )
    for name, module in pipe.transformer.named_modules():
        if not {*name.split(".")}.isdisjoint(pipe.transformer._keep_in_fp32_modules):
            module.float()  # as when it is loaded from a folder
    pipe.resolutions = SIZES
    return pipe


KANDINSKY5 = Small(
    kandinsky5,
    guided={"guidance_scale": 3.0, "negative_prompt": "a car"},
    unguided={"guidance_scale": 1.0},
    places=lambda pipe, prompt, words: [
        index for index, word in enumerate(prompt.split()) if word in words
    ],  # the template before them is dropped
    attributes={"resolutions": SIZES},
)
