"""Pictures of a model with the masks of several methods, all of the same generations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.world.sampling import pixels
from benchmarks.world.scenes import Scene
from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.methods import MaskMethod

SEED_BITS = 40  # beyond every scene's own


def sampled(
    pipe: DiffuMaskPipeline,
    batch: Sequence[Scene],
    methods: Sequence[MaskMethod],
    settings: Mapping[str, Any],
    seed: int = 0,
) -> tuple[np.ndarray, list[list]]:
    """Images uint8 (B, H, W, 3), and per method a list of (mask, heat maps). seed: which noise."""
    generators = [torch.Generator().manual_seed(scene.seed + (seed << SEED_BITS)) for scene in batch]
    with trace(pipe, classes=[list(scene.classes) for scene in batch], methods=methods) as recorded:
        images = pipe(
            [scene.caption for scene in batch],
            generator=generators,
            output_type="np",
            **settings,
        ).images
    readings = []
    for method in methods:
        heatmaps = recorded.heatmaps_by(method)
        masks = [
            method.mask(maps, names).numpy()
            for maps, names in zip(heatmaps, recorded.class_names, strict=True)
        ]
        readings.append(list(zip(masks, heatmaps, strict=True)))
    return pixels(images), readings
