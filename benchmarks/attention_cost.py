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
from typing import Annotated, Any

import torch
import typer

from benchmarks.recording.counted_steps import operators, waits
from benchmarks.recording.recorded_steps import FULL, PLAIN, Call, Step, taken_step
from benchmarks.recording.sized_models import sized
from benchmarks.report import JsonOption, report
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking.settings import settings_for

MIB = 2**20


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
    json: JsonOption = None,
) -> None:
    """Time plain and recorded sampling steps in turns."""
    pipe = sized(shape, blocks, getattr(torch, dtype), device)
    call = Call(pipe, size, batch, device)
    kinds = [*(method or fitting(pipe)), *([FULL] if full and hasattr(pipe, "unet") else [])]
    call()  # the first step pays for allocations
    plain_operators = operators(call, PLAIN)
    rows = []
    for kind, (taken, neighbours) in in_turns(call, kinds, repeats).items():
        counted: dict[str, object] = {}
        if kind != FULL:
            counted["× operators"] = operators(call, kind) / plain_operators
        if kind != FULL and call.on_gpu:
            counted["waits"] = waits(call, kind) - waits(call, PLAIN)
            counted["peak MiB"] = max(step.peak for step in taken) / MIB
        rows.append(summary(kind, taken, neighbours, steps, counted))
    settings = {"shape": shape, "blocks": blocks, "batch": batch, "repeats": repeats, "steps": steps}
    settings |= {"size": size, "dtype": dtype, "device": device, "threads": torch.get_num_threads()}
    report(f"Cost of recording attention: {shape}, {batch} images", rows, settings, json)


def in_turns(call: Call, kinds: list[str], repeats: int) -> dict[str, tuple[list[Step], list[float]]]:
    """The steps of each kind, and the seconds of the plain ones around each."""
    found: dict[str, tuple[list[Step], list[float]]] = {kind: ([], []) for kind in kinds}
    before = taken_step(call, PLAIN)
    for repeat in range(repeats):
        for kind, (taken, neighbours) in found.items():
            taken.append(taken_step(call, kind))
            after = taken_step(call, PLAIN)
            neighbours.append((before.seconds + after.seconds) / 2)
            before = after
            ratio = taken[-1].seconds / neighbours[-1]
            print(f"repeat {repeat + 1}/{repeats}  {kind}: {ratio:.3f} x {neighbours[-1]:.2f} s", flush=True)
    return found


def fitting(pipe: Any) -> list[str]:
    """The names of the methods that a model's sites allow."""
    family = check_supported(pipe)
    return [method.name for method in settings_for(pipe).resolve_all(family, family.sites(pipe))]


if __name__ == "__main__":
    typer.run(main)
