"""The other parts of a pipeline, as small as they may be, and weights at random."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

from diffusers_attnmask import bundled_model

PIECES = [
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    *((f"▁{own}", -2.0) for own in ["a", "star", "and", "fish"]),
]


def t5(width: int, length: int) -> tuple[T5EncoderModel, T5Tokenizer]:
    """One layer with the words of a caption."""
    config = T5Config(vocab_size=len(PIECES), d_model=width, d_kv=8, d_ff=64, num_layers=1, num_heads=4)
    return T5EncoderModel(config), T5Tokenizer(vocab=PIECES, extra_ids=0, model_max_length=length)


def words() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(bundled_model(), subfolder="tokenizer")


def clip(width: int) -> CLIPTextConfig:
    names = words()
    return CLIPTextConfig(
        vocab_size=len(names),
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=1,
        num_attention_heads=width // 64,
        bos_token_id=names.bos_token_id,
        eos_token_id=names.eos_token_id,
    )


def autoencoder(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        latent_channels=channels,
        shift_factor=0.0,
    )


def randomly(kind: Any, config: dict[str, Any]) -> Any:
    """Quicker than the usual initialisation of hundreds of millions of weights."""
    with torch.device("meta"):
        model = kind(**config)
    model.to_empty(device="cpu")
    torch.manual_seed(0)
    for weights in [*model.parameters(), *model.buffers()]:
        weights.data.uniform_(-0.03, 0.03)
    return model.eval()
