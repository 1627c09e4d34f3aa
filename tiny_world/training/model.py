"""The networks of the bundled model, and the folder that they are saved as."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from tiny_world.training.text import WIDTH, new_text_encoder


def new_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(48, 128, 160),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=WIDTH,
        attention_head_dim=(1, 2, 4),  # heads per level: few where rows are long, whose cost is the softmax
        norm_num_groups=16,
    )


def new_scheduler() -> DDIMScheduler:
    """A cosine schedule that ends in pure noise, so that the overall colour is learnt with the rest."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )


class Denoiser(torch.nn.Module):
    """UNet and text encoder as one module, so that one average holds both."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor, readable: torch.Tensor
    ) -> torch.Tensor:
        """Velocity (B, 4, h, w) of noisy latents (B, 4, h, w) at timesteps (B,), for tokens (B, L)."""
        text = self.text_encoder(tokens)[0]
        return self.unet(noisy, timesteps, text, encoder_attention_mask=readable).sample


def load_weights(denoiser: Denoiser, pipeline: Path) -> None:
    """Give the denoiser the weights of a saved pipeline."""
    for name in ("unet", "text_encoder"):
        file = next((pipeline / name).glob("*model.safetensors"))
        getattr(denoiser, name).load_state_dict(load_file(file))


def save_pipeline(folder: Path, tokenizer: CLIPTokenizer, denoiser: Denoiser) -> None:
    """Write ``folder/pipeline`` in half precision, for anyone to load in the precision they ask for."""
    unet, text_encoder = new_unet(), new_text_encoder(tokenizer)
    unet.load_state_dict(denoiser.unet.state_dict())
    text_encoder.load_state_dict(denoiser.text_encoder.state_dict())
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16)
    pipe.save_pretrained(folder / "pipeline")
    # transformers loads in the precision that the config names, diffusers in single: let them agree.
    amend(folder / "pipeline" / "text_encoder", dtype="float32")
    amend(folder / "pipeline" / "vae", _name_or_path="")  # not the folder it was trained in


def amend(folder: Path, **changes: str) -> None:
    """Change settings in a saved network's config."""
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes, indent=2) + "\n")
