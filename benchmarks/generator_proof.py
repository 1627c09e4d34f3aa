"""Which generator, and which of its masks, a segmenter learns most from: one small model on pairs of each.

    python -m benchmarks.generator_proof --work W --json generator_proof.json

Each bundled model paints as many pairs, of the same captions, with masks refined as (c) of `segmenter_proof`
is; beside them stand as many renders with exact masks. All arms are trained from random weights for the same
number of steps, and judged on renders that nothing was trained on. What is complete in --work stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.proof.arms import first_renders
from benchmarks.proof.bench import Bench, judging_at, training_at
from benchmarks.proof.pairs import Model, refined_pairs
from benchmarks.report import JsonOption, Row, over_seeds, report
from tiny_world.oracle import CLASS_NAMES
from train_segmenter.data import Source

GENERATORS: tuple[tuple[Model, str], ...] = (
    ("bundled", "dataset-diffusion"),
    ("bundled-transformer", "dataset-diffusion"),
    ("bundled-transformer", "concept-attention"),
)


def sources(work: Path, pairs: int) -> Iterator[tuple[str, str, Source]]:
    """What paints, what the masks are of, and the pairs."""
    yield "renderer", "exact", first_renders(pairs)
    for model, method in GENERATORS:
        yield model, method, refined_pairs(work / f"{model}-{method}", pairs, model, method)


def rows(bench: Bench, work: Path, pairs: int) -> Iterator[Row]:
    exact = None
    for model, method, source in sources(work, pairs):
        arm = bench.from_scratch(f"arm-{model}-{method}", f"{model}, {method}", source)
        exact = exact or arm.report.mean_iou
        yield {
            "painted by": model,
            "masks": method,
            "pairs": len(source),
            "mean IoU": arm.report.mean_iou,
            "share of exact": arm.report.mean_iou / exact,
            **{name: float(value) for name, value in zip(CLASS_NAMES, arm.report.iou, strict=True)},
        }


def main(
    work: Annotated[Path, typer.Option(help="Folder of the pairs and the arms' models.")],
    pairs: Annotated[int, typer.Option(min=1, help="Of each arm.")] = 256,
    steps: Annotated[int, typer.Option(min=1, help="Of training, of 16 pairs.")] = 1000,
    held_out: Annotated[int, typer.Option(min=1, help="Renders that judge.")] = 300,
    scale: Annotated[float, typer.Option(help="Of images in training, and the smaller in judging.")] = 0.5,
    seeds: Annotated[int, typer.Option(min=1, help="Of trainings, on the same pairs.")] = 1,
    json: JsonOption = None,
) -> None:
    options = training_at(scale, steps, batch_size=16, learning_rate=3e-3)
    judges = first_renders(1, "validation"), first_renders(held_out, "test")
    runs = []
    for seed in range(seeds):
        own = replace(options, seed=seed)
        bench = Bench(work / f"seed-{seed}", own, judging_at(scale), *judges, cpu=True)
        runs.append(list(rows(bench, work, pairs)))
    settings = {**options.to_dict(), "pairs": pairs, "held_out": held_out, "scale": scale, "seeds": seeds}
    report(f"Segmenters judged on {held_out} held-out renders", over_seeds(runs), settings, json)


if __name__ == "__main__":
    typer.run(main)
