"""The GPUs of this machine by number, as a process is told which one is its own."""

from __future__ import annotations

import os
from collections.abc import Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus(numbers: Sequence[int]) -> tuple[str, ...]:
    """What `CUDA_VISIBLE_DEVICES` is in a process for each of these GPUs; those not there are refused."""
    if not numbers:
        return ()
    import torch

    count = torch.cuda.device_count()
    if missing := [number for number in numbers if number >= count]:
        there = f"has GPUs 0 to {count - 1}" if count > 1 else ("has GPU 0 alone" if count else "has no GPU")
        raise ValueError(f"--gpus {','.join(map(str, missing))}: this machine {there}")
    names = os.environ.get(VARIABLE, "").split(",")  # which may itself be a choice among those there are
    return tuple(names[own] if len(names) > own and names[own] else str(own) for own in numbers)


def see_only(gpu: str) -> None:
    """Must be called before this process looks for GPUs."""
    os.environ[VARIABLE] = gpu
