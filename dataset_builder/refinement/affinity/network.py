"""AffinityNet: features whose distances are affinities (Ahn & Kwak 2018), over a backbone of choice."""

import warnings
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import elu, instance_norm, interpolate

from diffusers_attnmask.ground.options import Count, Name, options


@options
class AffinityNetOptions:
    """`backbone` is "small" (a few convolutions), "timm:NAME", or "features": none, where a tensor such as
    the diffusion model's own decoder features is the input. `in_channels` is 3 for images. `widths` are those
    of the 1x1 convolutions from the backbone's depths, `out_channels` that of the last one."""

    backbone: Name = "small"
    in_channels: Count = 3
    stride: Annotated[int, Field(ge=1, le=256)] = 8
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (64, 128, 256)
    out_channels: Count = 448
    pretrained: bool = False


class AffinityNet(nn.Module):
    def __init__(self, options: AffinityNetOptions) -> None:
        super().__init__()
        self.options = options
        self.backbone, depths = _backbone(options)
        widths = options.widths[-len(depths) :]
        self.projections = nn.ModuleList(
            nn.Conv2d(depth, width, 1, bias=False) for depth, width in zip(depths, widths, strict=True)
        )
        self.merge = nn.Conv2d(sum(widths), options.out_channels, 1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features (B, D, h, w) of normalised images (B, 3, H, W) at the stride; with the backbone
        "features", of (B, in_channels, h, w) at the same resolution."""
        stride = 1 if self.options.backbone == "features" else self.options.stride
        grid = [max(1, side // stride) for side in inputs.shape[-2:]]
        depths = [
            interpolate(elu(projection(depth)), grid, mode="bilinear", align_corners=False)
            for projection, depth in zip(self.projections, self.backbone(inputs), strict=True)
        ]
        return elu(self.merge(torch.cat(depths, dim=1)))

    def new_layers(self) -> list[nn.Parameter]:
        """Parameters that no pretraining has seen: they learn ten times as fast."""
        return [*self.projections.parameters(), *self.merge.parameters()]


def _backbone(options: AffinityNetOptions) -> tuple[nn.Module, list[int]]:
    """A module from inputs to feature maps of several depths, and their channels."""
    kind, _, name = options.backbone.partition(":")
    if kind == "small" and not name:
        return SmallBackbone(options.in_channels), list(SmallBackbone.CHANNELS)
    if kind == "features" and not name:
        return Given(), [options.in_channels]
    if kind == "timm" and name:
        body = _timm(name, options)
        depths = len(options.widths)
        return Deepest(body, depths), body.feature_info.channels()[-depths:]
    raise ValueError(f"unknown backbone {options.backbone!r}: use 'small', 'features' or 'timm:NAME'")


def _timm(name: str, options: AffinityNetOptions) -> Any:
    """A feature extractor of timm's; without the pretrained weights where they cannot be had."""
    import timm

    if not timm.is_model(name):
        raise ValueError(f"timm has no model {name!r}: `timm.list_models()` names them")
    arguments: dict[str, Any] = {"features_only": True, "in_chans": options.in_channels}
    if options.pretrained:
        try:
            return timm.create_model(name, pretrained=True, **arguments)
        except (OSError, RuntimeError) as reason:  # offline, or a model without published weights
            line = str(reason).strip().partition("\n")[0]
            warnings.warn(f"{name} starts from random weights: {line}", stacklevel=2)
    return timm.create_model(name, pretrained=False, **arguments)


class SmallBackbone(nn.Module):
    """Three depths at strides 2, 4 and 8, for small images and training from nothing."""

    CHANNELS = (32, 64, 96)

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.ELU(),
                nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.ELU(),
            )
            for before, after in zip((in_channels, *self.CHANNELS), self.CHANNELS, strict=False)
        )  # fmt: skip

    def forward(self, images: Tensor) -> list[Tensor]:
        depths = []
        for stage in self.stages:
            images = stage(images)
            depths.append(images)
        return depths


class Given(nn.Module):
    """No backbone: the input is the one depth, each channel at zero mean and unit deviation."""

    def forward(self, features: Tensor) -> list[Tensor]:
        return [instance_norm(features) if features[0, 0].numel() > 1 else features]


class Deepest(nn.Module):
    """The last few depths of a feature extractor."""

    def __init__(self, body: nn.Module, depths: int) -> None:
        super().__init__()
        self.body, self.depths = body, depths

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.body(images)[-self.depths :]
