"""The networks of the bundled transformer, and the folder that they are saved as.

A small SD3: joint blocks over an image's patches and a text's tokens, in the stock pipeline, which joins the
words of three encoders to one text:

- Of two CLIP text encoders it reads the last hidden state but one. The first is the bundled text encoder, so
  that is each word in its sentence; the second is its embedding alone, so that is each word by itself.
- Beside the tokens it passes the encoders' projections of whole sentences to every block's modulation. Here
  they are zero: what a word does to the picture passes through attention, where masks are read.
- The third, a T5, fills ``max_sequence_length`` places behind the words, 256 unless told otherwise, as many
  as the picture has patches. It must be there to be loaded, but it is silent: all it says is zeros, the very
  ones that the pipeline puts there for want of a T5 (``text_encoder_3=None, tokenizer_3=None``). They are one
  token many times, and m equal keys weigh as much as one whose logit is larger by log m. So training carries
  one zero and draws m; any number of them will do, and ``max_sequence_length=1`` halves the time of sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from tiny_world.training.model import amend
from tiny_world.training.text import WIDTH

LENGTH = 24  # tokens of a prompt, with the two that mark its ends
SUMMARY = 8  # width of each encoder's projection, which is zero
LAYERS = (3, 1)  # of the text encoders; the last one's output goes to the projection alone
SIDE = 16  # patches along a picture's side at full size
# Parts of the names of what is no matrix inside the network: its ends, and the modulations.
ENDS = ("embed", "norm1", "norm_out", "proj_out")
LARGEST = 32  # patches along the largest picture's side


def new_transformer() -> SD3Transformer2DModel:
    """Its blocks begin as identities (Peebles and Xie, 2023): gates and the prediction are zero."""
    transformer = SD3Transformer2DModel(
        sample_size=2 * SIDE,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=8,
        num_attention_heads=5,
        attention_head_dim=32,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=160,
        pooled_projection_dim=2 * SUMMARY,
        pos_embed_max_size=LARGEST,
        qk_norm="rms_norm",
    )
    for name, parameter in transformer.named_parameters():
        if any(part in name for part in (".norm1.", ".norm1_context.", "norm_out.", "proj_out.")):
            torch.nn.init.zeros_(parameter)
    space_patches(transformer, 1.0)
    return transformer


def space_patches(transformer: SD3Transformer2DModel, spacing: float) -> None:
    """Tell every patch its place, ``spacing`` full-size patches from the next one.

    A half-size picture with spacing 2 thus spans the places that a full-size one has. Periods go from 4
    patches to 64; most of SD3's own are longer than a small picture.
    """
    embedding = transformer.pos_embed.pos_embed  # (1, LARGEST², D)
    count = embedding.shape[-1] // 4
    frequencies = torch.pi / 2 * (1 / 16) ** (torch.arange(count) / (count - 1))
    places = (torch.arange(LARGEST) - (LARGEST - 1) / 2) * spacing
    angles = places[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], 1)  # (LARGEST, D/2)
    down, across = waves[:, None].expand(-1, LARGEST, -1), waves[None].expand(LARGEST, -1, -1)
    embedding.copy_(torch.cat([across, down], 2).flatten(0, 1)[None])


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler()


def new_text_encoders(bundled: Path) -> list[CLIPTextModelWithProjection]:
    """Both encoders of the pipeline, from the weights of a saved text encoder; idle weights do not learn."""
    config = CLIPTextConfig.from_pretrained(bundled / "text_encoder")
    weights = load_file(bundled / "text_encoder" / "model.safetensors")
    encoders = []
    for layers in LAYERS:
        shape = {**config.to_dict(), "num_hidden_layers": layers, "projection_dim": SUMMARY}
        encoder = CLIPTextModelWithProjection(CLIPTextConfig(**shape))
        own = encoder.text_model.state_dict()
        encoder.text_model.load_state_dict({name: weights[name] for name in own})
        torch.nn.init.zeros_(encoder.text_projection.weight)
        model = encoder.text_model
        for idle in (model.encoder.layers[-1], model.final_layer_norm, encoder.text_projection):
            idle.requires_grad_(False)
        encoders.append(encoder)
    return encoders


def new_silent_encoder(tokenizer: T5Tokenizer) -> T5EncoderModel:
    """A T5 whose weights, and so whose words, are all zero."""
    encoder = T5EncoderModel(
        T5Config(vocab_size=len(tokenizer), d_model=2 * WIDTH, d_kv=8, d_ff=8, num_layers=1, num_heads=1)
    )
    for parameter in encoder.parameters():
        torch.nn.init.zeros_(parameter)
    return encoder


def new_t5_tokenizer(tokenizer: CLIPTokenizer) -> T5Tokenizer:
    """T5's kind of tokenizer for the words of CLIP's kind: a token for each, letters for all others."""
    pieces = [token for token in tokenizer.get_vocab() if token.endswith("</w>") and token.isascii()]
    words = sorted(f"\u2581{piece.removesuffix('</w>')}" for piece in pieces)
    letters = ["\u2581", *map(chr, range(ord("!"), ord("~") + 1))]
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    scored += [(word, -1.0) for word in words] + [(letter, -10.0) for letter in letters]
    return T5Tokenizer(vocab=scored, extra_ids=0)


def load_tokenizer(bundled: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(bundled / "tokenizer", model_max_length=LENGTH)


class MMDiT(torch.nn.Module):
    """Transformer and text encoders as one module, so that one average holds them all."""

    def __init__(
        self, transformer: SD3Transformer2DModel, encoders: list[CLIPTextModelWithProjection]
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.text_encoder, self.text_encoder_2 = encoders

    def forward(
        self,
        noisy: torch.Tensor,
        levels: torch.Tensor,
        tokens: torch.Tensor,
        readable: torch.Tensor,
        zeros: int,
    ) -> torch.Tensor:
        """Velocity (B, 4, h, w) of noisy latents (B, 4, h, w) at levels (B,) in [0, 1], for tokens (B, L).

        Tokens that are not ``readable`` (B, L) do not count, and ``zeros`` are how many follow them.
        """
        encoded = [
            encoder(tokens, output_hidden_states=True).hidden_states[-2]
            for encoder in (self.text_encoder, self.text_encoder_2)
        ]
        text = F.pad(torch.cat(encoded, -1), (0, 0, 0, 1))  # (B, L + 1, 2 WIDTH)
        summary = text.new_zeros(len(text), 2 * SUMMARY)
        with CountedKeys(F.pad(readable.float(), (0, 1), value=zeros), noisy[0, 0].numel() // 4):
            return self.transformer(noisy, text, summary, 1000 * levels, return_dict=False)[0]


class CountedKeys(TorchFunctionMode):
    """Joint attention in which each text token counts as many times as ``counts`` (B, T) says."""

    def __init__(self, counts: torch.Tensor, patches: int) -> None:
        super().__init__()
        self.bias = F.pad(counts.log(), (patches, 0))[:, None, None]  # (B, 1, 1, patches + T)

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            kwargs = {**kwargs, "attn_mask": self.bias.to(args[0].dtype)}
        return func(*args, **kwargs)


def load_weights(model: MMDiT, pipeline: Path) -> None:
    """Give the model the weights of a saved pipeline."""
    for name, network in model.named_children():
        network.load_state_dict(load_file(next((pipeline / name).glob("*model.safetensors"))))


@torch.no_grad()
def save_pipeline(folder: Path, bundled: Path, model: MMDiT) -> None:
    """Write ``folder`` in half precision, beside the bundled autoencoder and tokenizer."""
    networks = {"transformer": new_transformer()}
    networks["text_encoder"], networks["text_encoder_2"] = new_text_encoders(bundled)
    for name, network in networks.items():
        network.load_state_dict(getattr(model, name).state_dict())
    space_patches(networks["transformer"], 1.0)
    tokenizer = load_tokenizer(bundled)
    t5_tokenizer = new_t5_tokenizer(tokenizer)
    vae = AutoencoderKL.from_pretrained(bundled / "vae")
    vae.register_to_config(shift_factor=0.0)
    pipe = StableDiffusion3Pipeline(
        **networks,
        vae=vae,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        text_encoder_3=new_silent_encoder(t5_tokenizer),
        tokenizer_3=t5_tokenizer,
        scheduler=new_scheduler(),
    ).to(torch.float16)
    pipe.save_pretrained(folder)
    # transformers loads in the precision that the config names, diffusers in single: let them agree.
    for name in ("text_encoder", "text_encoder_2", "text_encoder_3"):
        amend(folder / name, dtype="float32")
    amend(folder / "vae", _name_or_path="")  # not the folder it was read from
