"""Does content attention help seg-diffusion to classes that it knows by their words alone?

    python -m benchmarks.content_attention --work W --json content_attention.json

Trained are two models as `open_vocabulary` trains its own, in half as many steps, one without content
attention and one with it. Both are asked for all classes of the world, in several numbers of steps and
samples, each with the penalty on trained classes and the score of the background that suit validation renders
best. What is complete in --work stands; what was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.report import JsonOption, Row, report
from benchmarks.unseen.judging import Judges, calibrated
from benchmarks.unseen.masks import Sampled, all_words
from benchmarks.unseen.trainings import RENDERS, UNSEEN, trained
from train_segmenter.models import Segmenter

WAYS = ((1, 1), (4, 1), (4, 3), (8, 1))  # steps of denoising, and members of the ensemble


def main(
    work: Annotated[Path, typer.Option(help="Folder of the trainings.")],
    renders: Annotated[int, typer.Option(min=1, help="Training renders.")] = RENDERS,
    half_steps: Annotated[int, typer.Option(min=1, help="At half size, of 16 pairs.")] = 1500,
    full_steps: Annotated[int, typer.Option(min=1, help="Then at full size, of 8 pairs.")] = 300,
    validation: Annotated[int, typer.Option(min=1, help="Renders that choose settings.")] = 30,
    held_out: Annotated[int, typer.Option(min=1, help="Renders that judge.")] = 40,
    seed: int = 0,
    json: JsonOption = None,
) -> None:
    trying, judges = (
        Judges.draw(split, count, UNSEEN) for split, count in (("validation", validation), ("test", held_out))
    )
    rows = []
    for attention in (False, True):
        model = trained(work, UNSEEN, half_steps, full_steps, renders=renders, seed=seed, attention=attention)
        rows += [{"content attention": attention, **row} for row in scores(model, trying, judges)]
    settings = {"unseen": UNSEEN, "renders": renders, "half_steps": half_steps, "full_steps": full_steps}
    settings |= {"validation": validation, "held_out": held_out, "seed": seed}
    report(f"Seen and unseen classes on {held_out} held-out renders", rows, settings, json)


def scores(model: Segmenter, trying: Judges, judges: Judges) -> Iterator[Row]:
    """Of every way to ask a model, at the settings that suit it on validation renders."""
    for steps, samples in WAYS:
        _, best = calibrated([Sampled(model, all_words, steps, samples)], trying)
        yield {
            "steps": steps,
            "samples": samples,
            "penalty": best.penalty,
            "background": best.background,
            **judges.scored(best, f"{steps} steps").to_dict()["open_vocabulary"],
        }


if __name__ == "__main__":
    typer.run(main)
