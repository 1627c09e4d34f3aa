"""One denoising step, plain or recorded: its seconds, those of the recorder within it, and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.recording.full_recording import fully_recorded
from diffusers_attnmask import trace
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.tap import Comparison

PROMPT = "a star and a fish"
CLASSES = ["star", "fish"]
PLAIN, FULL = "plain", "every map, kept"  # all other kinds are methods


@dataclass(frozen=True)
class Call:
    """How a step is sampled, the same for all that are compared."""

    pipe: Any
    size: int | None
    batch: int
    device: str

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def __call__(self, steps: int = 1) -> None:
        size = {} if self.size is None else {"height": self.size, "width": self.size}
        self.pipe([PROMPT] * self.batch, num_inference_steps=steps, output_type="latent", **size)

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds of the processor on a CPU, which other programs do not lengthen; of the clock elsewhere."""
        clock = time.process_time if self.device == "cpu" else time.perf_counter
        self.synchronize()
        start = clock()
        work()
        self.synchronize()
        return clock() - start

    def synchronize(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    @property
    def peak_memory(self) -> int:
        return torch.cuda.max_memory_allocated() if self.on_gpu else 0


@dataclass(frozen=True)
class Step:
    """Seconds of one step, of the recorder within it, and of making its masks; bytes of state, and at the
    peak.
    """

    seconds: float
    recording: float = 0.0
    making: float = 0.0
    nbytes: int = 0
    peak: int = 0


def recording(call: Call, kind: str) -> AbstractContextManager[Any]:
    """What a step runs within: nothing, or the trace of a method."""
    return nullcontext() if kind == PLAIN else trace(call.pipe, classes=CLASSES, methods=kind)


def taken_step(call: Call, kind: str) -> Step:
    if call.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    if kind == PLAIN:
        return Step(call.timed(call), peak=call.peak_memory)
    if kind == FULL:
        with fully_recorded(call.pipe.unet) as recordings:
            seconds = call.timed(call)
        return Step(seconds, nbytes=sum(own.nbytes for own in recordings))
    return recorded_step(call, kind)


def recorded_step(call: Call, method: str) -> Step:
    spent: list[float] = []

    def add(self: Recorder, site: Site, comparison: Comparison) -> None:
        start = time.process_time()
        plain_add(self, site, comparison)
        spent.append(time.process_time() - start)

    plain_add = Recorder.add
    with patch.object(Recorder, "add", add), recording(call, method) as recorded:
        seconds = call.timed(call)
    peak = call.peak_memory
    return Step(seconds, sum(spent), call.timed(recorded.masks), recorded.nbytes, peak)
