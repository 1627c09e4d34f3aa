"""How masks are sampled: the options of a call."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from diffusers_attnmask.ground.options import MOST_SIDE, Batch, Share, Steps, Whole, options


@options
class MaskSampling:
    """Options of `SegDiffusionPipeline.__call__`, which explains them; checked as they are made."""

    denoising_steps: Steps = 10
    ensemble_size: Batch = 10
    processing_res: Annotated[int, Field(ge=0, le=MOST_SIDE)] | None = None
    match_input_res: bool = True
    batch_size: Whole = 0
    background: Share = 0.5
    seen_penalty: Share = 0.0
    align: bool = False
