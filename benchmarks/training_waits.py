"""Does a training wait for its data? The share of its time, with pairs read in its own process and beside it.

    python -m benchmarks.training_waits

A real training of a U-Net on rendered scenes, stored as a dataset is, with random scales, flips, crops and
colours. The first step starts the workers and is left out. How many pairs a worker makes in a second says how
many of them a faster step needs.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from unittest.mock import patch

import torch
import typer

from benchmarks.report import JsonOption, report
from benchmarks.stages.watched_batches import Watched
from benchmarks.world.stored_renders import stored_renders
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.data import Source
from train_segmenter.models import create
from train_segmenter.training import loop
from train_segmenter.training.batches import training_batches
from train_segmenter.training.options import TrainOptions


def trained(source: Source, options: TrainOptions, model: str, cpu: bool) -> Watched:
    torch.manual_seed(0)
    watched = Watched()
    with tempfile.TemporaryDirectory() as out, patch.object(loop, "training_batches", watched):
        segmenter = create(model, source.class_names, "none")
        loop.train(segmenter, source, options, Path(out) / "run", cpu=cpu, progress=False)
    return watched


def pairs_in_a_second(source: Source, options: TrainOptions, batches: int = 4) -> float:
    """What one process reads and augments."""
    alone = replace(options, workers=0, steps=batches)
    started = time.perf_counter()
    for _ in training_batches(source, alone, 0, 0, 1):
        pass
    return batches * options.batch_size / (time.perf_counter() - started)


def main(
    model: str = "smp:unet:resnet18",
    pairs: Annotated[int, typer.Option(min=1, help="Rendered scenes.")] = 64,
    side: Annotated[int, typer.Option(min=32, help="Of the pictures, in pixels.")] = 256,
    batch_size: int = 8,
    steps: Annotated[int, typer.Option(min=2, help="Of which the first is left out.")] = 20,
    workers: Annotated[
        list[int] | None, typer.Option(help="That read; repeatable. By default 0 and 1.")
    ] = None,
    device: Literal["cpu", "cuda"] = "cpu",
    json: JsonOption = None,
) -> None:
    options = TrainOptions(
        steps=steps,
        batch_size=batch_size,
        augmentation=Augmentation(crop=side),
        log_every=steps,
        save_every=steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        source = stored_renders(Path(folder) / "pairs", pairs, side)
        speed = pairs_in_a_second(source, options)
        rows = []
        for count in workers or [0, 1]:
            watched = trained(source, replace(options, workers=count), model, device == "cpu")
            rows.append(
                {
                    "workers": count,
                    "seconds a step": watched.seconds,
                    "of it waiting for data": watched.waited,
                    "share": watched.waited / watched.seconds,
                    "pairs/s of one reader": speed,
                }
            )
    settings = {"model": model, "pairs": pairs, "side": side, "batch size": batch_size, "steps": steps}
    report("Waits for data in a training", rows, settings | {"device": device}, json)


if __name__ == "__main__":
    typer.run(main)
