"""One denoising step, plain or recorded: its seconds, those of the recorder, operators, and memory."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from diffusers_attnmask import trace
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.tap import Comparison

PROMPT = "a star and a fish"
CLASSES = ["star", "fish"]
PLAIN, FULL = "plain", "every map, kept"
LARGEST_KEPT = 32 * 32  # full recorders leave the 4096 × 4096 self-attention out


class FullRecording:
    """The attention processor of a full recorder: explicit softmax, and every map of every step kept."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            attn.head_to_batch_dim(project(states))
            for project, states in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        probabilities = attn.get_attention_scores(query, key, attention_mask)  # (B * heads, Q, K)
        if encoder_hidden_states is not None or query.shape[1] <= LARGEST_KEPT:
            conditional = probabilities.unflatten(0, (-1, attn.heads)).chunk(2)[-1]
            self.kept.append(conditional.mean(1))
        return attn.to_out[0](attn.batch_to_head_dim(probabilities @ value))


def timed(work: Callable[[], object], device: str) -> float:
    """Seconds of the processor on a CPU, which other programs do not lengthen; of the clock elsewhere."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    synchronize(device)
    start = clock()
    work()
    synchronize(device)
    return clock() - start


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Call:
    """How a step is sampled, the same for all that are compared."""

    pipe: Any
    size: int | None
    batch: int
    device: str

    def __call__(self, steps: int = 1) -> None:
        size = {} if self.size is None else {"height": self.size, "width": self.size}
        self.pipe([PROMPT] * self.batch, num_inference_steps=steps, output_type="latent", **size)


class Operators(TorchDispatchMode):
    """Counts what torch dispatches, views included."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operators(call: Call, kind: str) -> int:
    """Of one step: what three steps have more than one, divided by two."""
    counts = []
    for steps in (1, 3):
        with Operators() as counted:
            if kind == PLAIN:
                call(steps)
            else:
                with trace(call.pipe, classes=CLASSES, methods=kind):
                    call(steps)
        counts.append(counted.count)
    return (counts[1] - counts[0]) // 2


def waits(call: Call, kind: str) -> int:
    """How often one step waits for the GPU, as torch itself warns of it."""
    found = []
    for steps in (1, 3):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                if kind == PLAIN:
                    call(steps)
                else:
                    with trace(call.pipe, classes=CLASSES, methods=kind):
                        call(steps)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        found.append(sum("synchronizing" in str(warning.message) for warning in told))
    return (found[1] - found[0]) // 2


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


def taken_step(call: Call, kind: str) -> Step:
    if call.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    if kind == PLAIN:
        return Step(timed(call, call.device), peak=peak_memory(call.device))
    if kind == FULL:
        return full_step(call)
    spent: list[float] = []

    def add(self: Recorder, site: Site, comparison: Comparison) -> None:
        start = time.process_time()
        plain_add(self, site, comparison)
        spent.append(time.process_time() - start)

    plain_add = Recorder.add
    with patch.object(Recorder, "add", add), trace(call.pipe, classes=CLASSES, methods=kind) as recorded:
        seconds = timed(call, call.device)
    peak = peak_memory(call.device)
    return Step(seconds, sum(spent), timed(recorded.masks, call.device), recorded.nbytes, peak)


def peak_memory(device: str) -> int:
    return torch.cuda.max_memory_allocated() if device.startswith("cuda") else 0


def full_step(call: Call) -> Step:
    before = dict(call.pipe.unet.attn_processors)
    recording = {name: FullRecording() for name in before}
    call.pipe.unet.set_attn_processor(dict(recording))
    try:
        seconds = timed(call, call.device)
    finally:
        call.pipe.unet.set_attn_processor(before)
    return Step(seconds, nbytes=sum(kept.nbytes for one in recording.values() for kept in one.kept))
