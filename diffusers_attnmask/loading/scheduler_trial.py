"""Whether a scheduler goes with a pipeline: its first step on nothing, before a weight is read.

Schedulers of other kinds of pipelines bear no mark. They lack what is asked of them, or want more.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from diffusers_attnmask.ground.hub_errors import first_line

SHAPE = (1, 4, 8, 8)  # of latents: any will do
USUAL_STEPS = 20


def stumbles(kind: Any, config: Mapping[str, Any], steps: int = USUAL_STEPS) -> str | None:
    """What a scheduler finds wrong when it is asked as pipelines ask it; None where it takes the step."""
    known = inspect.signature(kind.__init__).parameters
    try:
        with torch.random.fork_rng(devices=()):  # some draw noise
            scheduler = kind.from_config({name: value for name, value in config.items() if name in known})
            scheduler.set_timesteps(steps)
            moment = scheduler.timesteps[0]
            latents = scheduler.scale_model_input(torch.zeros(SHAPE) * scheduler.init_noise_sigma, moment)
            scheduler.step(torch.zeros(SHAPE), moment, latents, return_dict=False)
    except Exception as mistake:  # whatever a class for another purpose may raise
        return f"{type(mistake).__name__}: {first_line(mistake)}"
    return None
