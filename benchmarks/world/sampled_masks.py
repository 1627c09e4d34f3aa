"""Pictures of a model with the masks of several methods, all of the same generations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.world.sampling import pixels
from benchmarks.world.scenes import Scene
from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import MaskMethod

SEED_BITS = 40  # beyond every scene's own

Reading = tuple[np.ndarray, Tensor]  # mask (H, W) and class maps (C, H, W) of a picture


def sampled(
    pipe: DiffuMaskPipeline,
    batch: Sequence[Scene],
    methods: Sequence[MaskMethod],
    settings: Mapping[str, Any],
    seed: int = 0,
) -> tuple[np.ndarray, list[list[Reading]]]:
    """Images uint8 (B, H, W, 3), and per method what it reads in each. seed: which noise."""
    with trace(pipe, classes=[list(scene.classes) for scene in batch], methods=methods) as recorded:
        images = generations(pipe, batch, settings, seed)
    return images, [read(recorded, method) for method in methods]


def generations(
    pipe: DiffuMaskPipeline, batch: Sequence[Scene], settings: Mapping[str, Any], seed: int = 0
) -> np.ndarray:
    """Images uint8 (B, H, W, 3) of the captions, each from noise of its scene."""
    generators = [torch.Generator().manual_seed(scene.seed + (seed << SEED_BITS)) for scene in batch]
    captions = [scene.caption for scene in batch]
    return pixels(pipe(captions, generator=generators, output_type="np", **settings).images)


def read(recorded: AttentionTrace, method: MaskMethod) -> list[Reading]:
    heatmaps = recorded.heatmaps_by(method)
    return [
        (method.mask(maps, names).numpy(), maps)
        for maps, names in zip(heatmaps, recorded.class_names, strict=True)
    ]
