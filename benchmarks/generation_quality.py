"""Does the bundled model paint what the prompt says? Counted by the oracle over held-out prompts.

    python -m benchmarks.generation_quality --prompts 512 --sheet sheet.png --json generation_quality.json

A class counts as found where the oracle gives it at least 2 % of the pixels, and as absent below that.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from diffusers import DiffusionPipeline
from PIL import Image
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.world.sampling import (
    BatchOption,
    CallOption,
    GuidanceOption,
    ModelOption,
    StepsOption,
    call_arguments,
    pixels,
)
from benchmarks.world.scenes import unseen_scenes
from diffusers_attnmask import bundled_model
from diffusers_attnmask.ground.drawing import contact_sheet
from tiny_world import CLASSES
from tiny_world.judge import judge

VISIBLE = 0.02  # share of the pixels


def main(
    prompts: Annotated[int, typer.Option(min=1, help="Prompts of each number of objects.")] = 256,
    objects: Annotated[
        list[int] | None, typer.Option(min=1, max=3, help="In a prompt. Repeatable; 1 and 2 by default.")
    ] = None,
    steps: StepsOption = 25,
    guidance: GuidanceOption = 3.0,
    batch: BatchOption = 16,
    model: ModelOption = None,
    sheet: Annotated[Path | None, typer.Option(help="Also draw a contact sheet here.")] = None,
    call: CallOption = "{}",
    json: JsonOption = None,
) -> None:
    pipe = DiffusionPipeline.from_pretrained(model or bundled_model())
    pipe.set_progress_bar_config(disable=True)
    settings = {"num_inference_steps": steps, "guidance_scale": guidance, **call_arguments(call)}
    rows, shown = [], []
    for kind in objects or (1, 2):
        wanted = unseen_scenes(kind, prompts)
        start = time.perf_counter()
        images = np.concatenate(
            [
                generate(pipe, [scene.caption for scene in wanted[i : i + batch]], i, settings)
                for i in tqdm(range(0, prompts, batch), desc=f"{kind} object(s)")
            ]
        )
        seconds = (time.perf_counter() - start) / prompts
        coverage = np.stack([[np.mean(mask == i + 1) for i in range(len(CLASSES))] for mask in judge(images)])
        named = np.array([[name in scene.classes for name in CLASSES] for scene in wanted])
        rows.append(
            {
                "objects": kind,
                "prompts": prompts,
                "every class found": float(np.mean(np.all((coverage >= VISIBLE) | ~named, 1))),
                "no absent class": float(np.mean(np.all((coverage < VISIBLE) | named, 1))),
                "seconds per image": seconds,
            }
        )
        shown += [
            (Image.fromarray(image), scene.caption) for image, scene in zip(images[:24], wanted, strict=False)
        ]
    report("Generation quality", rows, {**settings, "batch": batch}, json)
    if sheet is not None:
        pictures, captions = zip(*shown, strict=True)
        contact_sheet(pictures, columns=8, captions=captions).save(sheet)


def generate(
    pipe: DiffusionPipeline, captions: list[str], first: int, settings: Mapping[str, Any]
) -> np.ndarray:
    """Images uint8 (len(captions), 128, 128, 3); image ``i`` depends on the seed ``first + i`` alone."""
    generators = [torch.Generator().manual_seed(first + i) for i in range(len(captions))]
    return pixels(pipe(captions, output_type="np", generator=generators, **settings).images)


if __name__ == "__main__":
    typer.run(main)
