"""`attnmask demo`: the whole way once, offline: pictures, masks, a dataset, a segmenter, its scores."""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from dataset_builder.demo.options import FULL, QUICK, DemoOptions


def demo(
    out: Annotated[str, typer.Option(help="Folder for everything; a stopped demo goes on there.")] = "demo",
    full: Annotated[
        bool,
        typer.Option("--full", help="More pairs, in more steps, and judges that train for longer."),
    ] = False,
    pairs: Annotated[
        int | None, typer.Option(min=8, help=f"Pairs to sample, by default {QUICK['pairs']}.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps of each segmenter.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = DemoOptions.seed,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that refine, and that train side by side.")
    ] = DemoOptions.workers,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Sample pairs with the bundled model, filter them, train a segmenter on them, and score it."""
    if find_spec("segmentation_models_pytorch") is None:
        raise OSError("the demo trains a segmenter: pip install 'diffusers-attnmask[train]'")
    from dataset_builder.demo.run import run_demo
    from dataset_builder.demo.summary import summary

    typed = {name: value for name, value in (("pairs", pairs), ("steps", steps)) if value is not None}
    size = {**(FULL if full else QUICK), **typed}
    size["judge_steps"] = min(size["judge_steps"], size["steps"])
    options = DemoOptions(seed=seed, workers=workers, **size)
    scores = run_demo(out, options, announce=partial(typer.secho, bold=True, err=True))
    typer.echo(json.dumps(scores) if as_json else summary(scores, Path(out)))
