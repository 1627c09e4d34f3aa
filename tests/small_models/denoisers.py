"""The networks that paint: autoencoder, UNets of every family, ControlNet."""

import functools

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH

IMAGE_SIZE = 128  # 16 x 16 latents under the x8 autoencoder


@functools.cache
def autoencoder():
    with seeded("autoencoder"):
        return AutoencoderKL(
            block_out_channels=(4, 4, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1,
            norm_num_groups=2,
            latent_channels=4,
            sample_size=IMAGE_SIZE,
        ).eval()


def sharpened(unet):
    """Attention as trained models have it: with fresh weights every softmax is nearly flat.

    Words stand out, and a place attends most to places like itself.
    """
    for name, module in unet.named_modules():
        if name.endswith(("attn1", "attn2")):
            module.to_q.weight.data.mul_(4)
        if name.endswith("attn1"):
            module.to_k.weight.data.copy_(module.to_q.weight.data)
    return unet.eval()


def unet_config(levels=4, **changes):
    """Stable Diffusion 1.x in miniature: at the coarsest level only the mid block attends."""
    return {
        "sample_size": IMAGE_SIZE // 8,
        "block_out_channels": (16, 16, 32, 32)[-levels:],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": 2,
        "down_block_types": ("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
    } | changes


@functools.cache
def sd15_unet(levels=4, **changes):
    with seeded(f"sd15 unet {levels}"):
        return sharpened(UNet2DConditionModel(**unet_config(levels, **changes)))


@functools.cache
def sd21_unet():
    heads_per_level = (2, 4, 4, 4)
    with seeded("sd21 unet"):
        return sharpened(
            UNet2DConditionModel(
                **unet_config(attention_head_dim=heads_per_level, use_linear_projection=True)
            )
        )


@functools.cache
def sdxl_unet(**changes):
    pooled_and_sizes = TEXT_WIDTH + 6 * 8
    config = {
        "sample_size": IMAGE_SIZE // 8,
        "block_out_channels": (16, 16, 32),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "cross_attention_dim": 2 * TEXT_WIDTH,
        "attention_head_dim": (2, 2, 4),
        "transformer_layers_per_block": (1, 1, 2),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": pooled_and_sizes,
    }
    with seeded("sdxl unet"):
        return sharpened(UNet2DConditionModel(**config | changes))


@functools.cache
def unet_controlnet(unet=sd15_unet):
    with seeded("controlnet"):
        control = ControlNetModel.from_unet(unet(), conditioning_embedding_out_channels=(4, 4, 8, 8)).eval()
        for weights in control.parameters():  # its output layers start at zero, which would control nothing
            weights.data.add_(torch.randn_like(weights), alpha=0.3)
    return control
