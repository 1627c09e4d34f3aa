"""`torch.compile` for a pipeline whose attention is read: all around the attention layers is compiled, and
they are left as they are, so that the same pictures come with masks and without.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from diffusers_attnmask.masking.overhearing import has_attention

BACKEND = "inductor"
LIMIT, OLD_LIMIT = "recompile_limit", "cache_size_limit"  # as torch calls it, and called it before 2.6
SHAPES = 64  # for which one block is compiled; torch's own limit is fewer than a UNet has


def compile_around_attention(pipe: Any) -> None:
    """Compile what a pipeline computes beside attention, each part when it is first called."""
    limit = LIMIT if hasattr(torch._dynamo.config, LIMIT) else OLD_LIMIT
    setattr(torch._dynamo.config, limit, max(getattr(torch._dynamo.config, limit), SHAPES))
    denoiser = getattr(pipe, "transformer", None) or pipe.unet
    for part in (*parts_without_attention(denoiser), pipe.vae.decoder):
        part.compile(backend=BACKEND)


def parts_without_attention(module: nn.Module) -> Iterator[nn.Module]:
    """The largest parts of a network that have no attention and are more than a single layer."""
    for part in module.children():
        if has_attention(part) or isinstance(part, nn.ModuleList | nn.ModuleDict):
            yield from parts_without_attention(part)
        elif sum(bool(own._parameters) for own in part.modules()) > 1:
            yield part


def missing_compiler(device: str) -> str | None:
    """What torch needs for code of its own on a device, where that is not installed."""
    compiler = os.environ.get("CXX", "g++")
    return compiler if device == "cpu" and shutil.which(compiler) is None else None
