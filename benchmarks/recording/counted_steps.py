"""What one denoising step does, plain or recorded: operators that torch dispatches, waits for a GPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.recording.recorded_steps import Call, recording


class Operators(TorchDispatchMode):
    """Counts what torch dispatches, views included."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operators(call: Call, kind: str) -> int:
    def count(steps: int) -> int:
        with Operators() as counted, recording(call, kind):
            call(steps)
        return counted.count

    return of_one_step(count)


def waits(call: Call, kind: str) -> int:
    """How often a step waits for the GPU, as torch itself warns of it."""

    def count(steps: int) -> int:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                with recording(call, kind):
                    call(steps)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing" in str(warning.message) for warning in told)

    return of_one_step(count)


def of_one_step(count: Callable[[int], int]) -> int:
    """What three steps have more than one, divided by two."""
    one, three = count(1), count(3)
    return (three - one) // 2
