"""A pipeline with masks, ready to be asked."""

from __future__ import annotations

import torch

from diffusers_attnmask.bundled import bundled_model
from diffusers_attnmask.ground.device import best_device
from diffusers_attnmask.masking.pipeline import DiffuMaskPipeline


def loaded_pipeline(model: str | None = None, half: bool = False) -> DiffuMaskPipeline:
    """A model folder or repository, by default the bundled model, on the GPU where there is one."""
    dtype = torch.float16 if half else torch.float32
    return DiffuMaskPipeline.from_pretrained(model or bundled_model(), dtype=dtype).to(best_device())
