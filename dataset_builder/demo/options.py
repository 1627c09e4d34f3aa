"""How large the demo is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from diffusers_attnmask.ground.options import Count, Seed, Share, Whole, options


@options(kw_only=True)
class DemoOptions:
    """pairs: sampled, in `sampling_steps` each. steps: of a segmenter's training, judge_steps: of one of the
    filter's judges. keep: the part of each class that they agree with. held_out: renders to evaluate on."""

    pairs: Annotated[int, Field(ge=8)] = 208
    sampling_steps: Count = 12
    seed: Seed = 0
    steps: Count = 900
    judge_steps: Count = 400
    keep: Share = 0.9
    held_out: Count = 200
    workers: Whole = 1
