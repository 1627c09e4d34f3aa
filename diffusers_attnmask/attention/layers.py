"""Where a UNet attends: every attention layer with its place and its level of the latent grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import nn

PLACES = ("down", "mid", "up")


@dataclass(frozen=True, eq=False)
class AttentionLayer:
    """One attention layer: at `level` l it works on the latent grid divided by 2ˡ."""

    name: str
    place: str
    level: int
    cross: bool
    module: Attention


def attention_layers(unet: UNet2DConditionModel) -> tuple[AttentionLayer, ...]:
    """All attention layers in the order in which they run."""
    layers: list[AttentionLayer] = []
    level = 0
    for index, block in enumerate(unet.down_blocks):
        layers += _layers_in(f"down_blocks.{index}", block, "down", level)
        level += bool(block.downsamplers)
    if unet.mid_block is not None:
        layers += _layers_in("mid_block", unet.mid_block, "mid", level)
    for index, block in enumerate(unet.up_blocks):
        layers += _layers_in(f"up_blocks.{index}", block, "up", level)
        level -= bool(block.upsamplers)
    return tuple(layers)


def _layers_in(prefix: str, block: nn.Module, place: str, level: int) -> Iterator[AttentionLayer]:
    for name, module in block.named_modules():
        if isinstance(module, Attention):
            yield AttentionLayer(f"{prefix}.{name}", place, level, module.is_cross_attention, module)


def cross_levels(layers: Iterable[AttentionLayer]) -> set[int]:
    """The levels at which the model looks at text."""
    return {layer.level for layer in layers if layer.cross}


def grid_at(latent_size: tuple[int, int], level: int) -> tuple[int, int]:
    """Height and width after `level` halvings; a stride-2 convolution rounds up."""
    height, width = latent_size
    for _ in range(level):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height, width
