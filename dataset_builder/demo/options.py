"""How large the demo is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from diffusers_attnmask.ground.options import Count, Processes, Seed, Share, options

QUICK: dict[str, int] = {"pairs": 96, "sampling_steps": 8, "steps": 900, "judge_steps": 250}
FULL: dict[str, int] = {"pairs": 208, "sampling_steps": 12, "steps": 900, "judge_steps": 400}


@options(kw_only=True)
class DemoOptions:
    """pairs: sampled, in `sampling_steps` each. steps: of a segmenter's training, judge_steps: of one of the
    filter's judges. keep: the part of each class that they agree with. held_out: renders to evaluate on.
    workers: processes that refine beside the sampler, then judges and segmenters that train side by side."""

    pairs: Annotated[int, Field(ge=8)] = QUICK["pairs"]
    sampling_steps: Count = QUICK["sampling_steps"]
    seed: Seed = 0
    steps: Count = QUICK["steps"]
    judge_steps: Count = QUICK["judge_steps"]
    keep: Share = 0.9
    held_out: Count = 200
    workers: Processes = 2
