"""What recording costs: plain steps and recorded steps of a denoiser of a published size, taken in turns.

    python -m benchmarks.attention_cost --shape sd15 --repeats 5 --json attention_cost.json
    python -m benchmarks.attention_cost --shape sd3 --blocks 4 --size 1024 --no-full
    python -m benchmarks.attention_cost --shape bundled --batch 8 --repeats 1 --no-full

The weights are random, since time and memory do not depend on them. Every recorded step stands between two
plain ones and is compared with their mean, so that a ratio compares neighbours in time; the table gives
medians, and the processor seconds of a step that passed inside the recorder. `operators` are those that torch
dispatches in one step, as a multiple of the plain step's. Making the masks comes once per generation: its
seconds stand apart, and the last column adds them to `--steps` steps. `every map, kept` is what recording
commonly is: explicit softmax, all cross-attention and all self-attention maps up to 32x32, averaged over
heads, for every step. On a GPU the table also has the waits for it within a step, and the peak of its memory.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
import typer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.report import report
from benchmarks.sized_models import sized
from diffusers_attnmask import trace
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.tap import Comparison
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking.settings import settings_for

PROMPT = "a star and a fish"
CLASSES = ["star", "fish"]
PLAIN, FULL = "plain", "every map, kept"
LARGEST_KEPT = 32 * 32  # full recorders leave the 4096 × 4096 self-attention out
MIB = 2**20


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


def summary(
    kind: str, taken: list[Step], neighbours: list[float], steps: int, counted: dict[str, object]
) -> dict[str, object]:
    """A row of the table; neighbours are the seconds of the plain steps around each step taken."""
    ratios = [step.seconds / plain for step, plain in zip(taken, neighbours, strict=True)]
    ratio = statistics.median(ratios)
    making = statistics.median(step.making for step in taken)
    state = taken[0].nbytes * (steps if kind == FULL else 1)
    return {
        "recording": kind,
        "s a step": statistics.median(step.seconds for step in taken),
        "of it in the recorder": statistics.median(step.recording for step in taken),
        "× plain": ratio,
        "lowest": min(ratios),
        "highest": max(ratios),
        **counted,
        "masks, s once": making,
        f"MiB after {steps} steps": state / MIB,
        f"× plain, {steps} steps and masks": ratio + making / (steps * statistics.median(neighbours)),
    }


def main(
    shape: Annotated[str, typer.Option(help="sd15, sd3, flux or bundled.")] = "sd15",
    blocks: Annotated[int, typer.Option(min=1, help="Blocks of a transformer, of each kind.")] = 2,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 1,
    method: Annotated[list[str] | None, typer.Option(help="By default all that fit the model.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Steps of each kind; medians are taken over them.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps per generation, for the last columns.")] = 30,
    size: Annotated[int | None, typer.Option(help="Height and width in pixels; the model's own.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    full: Annotated[bool, typer.Option(help="Also measure keeping every map (UNets).")] = True,
    json: Annotated[Path | None, typer.Option(help="Where to write the rows.")] = None,
) -> None:
    """Time plain and recorded sampling steps in turns."""
    pipe = sized(shape, blocks, getattr(torch, dtype), device)
    call = Call(pipe, size, batch, device)
    kinds = [*(method or fitting(pipe)), *([FULL] if full and hasattr(pipe, "unet") else [])]
    call()  # the first step pays for allocations
    plain_operators = operators(call, PLAIN)
    taken: dict[str, list[Step]] = {kind: [] for kind in kinds}
    neighbours: dict[str, list[float]] = {kind: [] for kind in kinds}
    before = taken_step(call, PLAIN)
    for repeat in range(repeats):
        for kind in kinds:
            taken[kind].append(taken_step(call, kind))
            after = taken_step(call, PLAIN)
            neighbours[kind].append((before.seconds + after.seconds) / 2)
            before = after
            ratio = taken[kind][-1].seconds / neighbours[kind][-1]
            print(
                f"repeat {repeat + 1}/{repeats}  {kind}: {ratio:.3f} x {neighbours[kind][-1]:.2f} s",
                flush=True,
            )
    rows = []
    for kind in kinds:
        counted: dict[str, object] = {}
        if kind != FULL:
            counted["× operators"] = operators(call, kind) / plain_operators
        if kind != FULL and device.startswith("cuda"):
            counted["waits"] = waits(call, kind) - waits(call, PLAIN)
            counted["peak MiB"] = max(step.peak for step in taken[kind]) / MIB
        rows.append(summary(kind, taken[kind], neighbours[kind], steps, counted))
    settings = {"shape": shape, "blocks": blocks, "batch": batch, "repeats": repeats, "steps": steps}
    settings |= {"size": size, "dtype": dtype, "device": device, "threads": torch.get_num_threads()}
    report(f"Cost of recording attention: {shape}, {batch} images", rows, settings, json)


def fitting(pipe: Any) -> list[str]:
    """The names of the methods that a model's sites allow."""
    family = check_supported(pipe)
    return [method.name for method in settings_for(pipe).resolve_all(family, family.sites(pipe))]


if __name__ == "__main__":
    typer.run(main)
