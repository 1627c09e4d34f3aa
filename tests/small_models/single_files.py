"""Checkpoints of one file in the layout of Stable Diffusion's own code, from diffusers' own one."""

from __future__ import annotations

import re

from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING
from safetensors.torch import save_file

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
MIDDLE = {"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}


def original_names(unet):
    """Of every weight: in one row of input blocks, a middle block and a row of output blocks."""
    mapping = DIFFUSERS_TO_LDM_MAPPING["unet"]
    whole = mapping["layers"] | mapping["addition_embed_type"]
    layers = unet.config.layers_per_block + 1  # and what changes the size
    attends = [hasattr(block, "attentions") for block in unet.up_blocks]

    def renamed(name):
        if name in whole:
            return whole[name]
        found = re.fullmatch(r"(down|mid|up)_blocks?\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.*)", name)
        side, block, kind, index, rest = found.groups()
        if kind == "resnets":
            own, _, leaf = rest.rpartition(".")
            rest = f"{RESNET[own]}.{leaf}"
        if side == "mid":
            return f"middle_block.{MIDDLE[f'{kind}.{index}']}.{rest}"
        block, index = int(block), int(index)
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * layers}.0.{rest.replace('conv', 'op')}"
        if kind == "upsamplers":
            return f"output_blocks.{(block + 1) * layers - 1}.{1 + attends[block]}.{rest}"
        first = 1 + block * layers if side == "down" else block * layers
        row = "input_blocks" if side == "down" else "output_blocks"
        return f"{row}.{first + index}.{int(kind == 'attentions')}.{rest}"

    return {name: renamed(name) for name in unet.state_dict()}


def write_single_file(unet, file):
    """The UNet alone."""
    names = original_names(unet)
    weights = {f"model.diffusion_model.{names[name]}": own for name, own in unet.state_dict().items()}
    save_file({name: own.contiguous() for name, own in weights.items()}, file)
    return file
