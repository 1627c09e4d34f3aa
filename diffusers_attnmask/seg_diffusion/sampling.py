"""How masks are sampled: the options of a call."""

from __future__ import annotations

from diffusers_attnmask.ground.options import Count, Share, Whole, options


@options
class MaskSampling:
    """Options of `SegDiffusionPipeline.__call__`, which explains them; checked as they are made."""

    denoising_steps: Count = 10
    ensemble_size: Count = 10
    processing_res: Whole | None = None
    match_input_res: bool = True
    batch_size: Whole = 0
    background: Share = 0.5
    seen_penalty: Share = 0.0
    align: bool = False
