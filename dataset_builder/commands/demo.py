"""`attnmask demo`: the whole way once, offline: pictures, masks, a dataset, a segmenter, its scores."""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from dataset_builder.demo.options import DemoOptions


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything; a stopped demo goes on there.")] = Path(
        "demo"
    ),
    pairs: Annotated[int, typer.Option(min=8, help="Pairs to sample.")] = DemoOptions.pairs,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each segmenter.")] = DemoOptions.steps,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = DemoOptions.seed,
    workers: Annotated[int, typer.Option(min=0, help="Processes beside the sampler.")] = DemoOptions.workers,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Sample pairs with the bundled model, filter them, train a segmenter on them, and score it."""
    if find_spec("segmentation_models_pytorch") is None:
        raise OSError("the demo trains a segmenter: pip install 'diffusers-attnmask[train]'")
    from dataset_builder.demo.run import run_demo
    from dataset_builder.demo.summary import summary

    judge_steps = min(DemoOptions.judge_steps, steps)
    options = DemoOptions(pairs=pairs, seed=seed, steps=steps, judge_steps=judge_steps, workers=workers)
    scores = run_demo(out, options, announce=partial(typer.secho, bold=True, err=True))
    typer.echo(json.dumps(scores) if as_json else summary(scores, out))
