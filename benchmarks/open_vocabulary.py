"""Seg-diffusion on the tiny world: classes it was trained with, and classes it knows by their words alone.

    python -m benchmarks.open_vocabulary --work W --json open_vocabulary.json
    python -m benchmarks.open_vocabulary --work W1 --noisiness 100000 --steps 1

Training begins from the bundled text-to-image model and sees only renders without an object of the unseen
classes, first at half size, then at full size. Held-out renders show all classes. Scores are the mean IoU
over seen and over unseen classes, without the background, and their harmonic mean. Compared are, each asked
for all classes of the world and for those alone that the caption names,

- seg-diffusion, in the number of steps that suits validation renders best; as it is, and with the penalty on
  trained classes and the score of the background that suit them best;
- attention masks of the same images (`pipe.segment`), at the settings that suit validation renders best.

The second command learns the last timestep alone, where noise is all that is seen and the mask all that is
answered, to be sampled in one step. What is complete in --work stands; what was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.report import JsonOption, Row, report
from benchmarks.unseen.judging import Judges, best_attention, calibrated
from benchmarks.unseen.masks import ASKED, Sampled, ways
from benchmarks.unseen.trainings import FULL_STEPS, HALF_STEPS, NOISINESS, RATE, RENDERS, UNSEEN, trained
from train_segmenter.evaluation import Report

STEPS = (1, 4)  # of denoising, of which the better number is taken


def main(
    work: Annotated[Path, typer.Option(help="Folder of the trainings.")],
    unseen: Annotated[str, typer.Option(help="Classes that no training shows, between commas.")] = ",".join(
        UNSEEN
    ),
    renders: Annotated[int, typer.Option(min=1, help="Training renders.")] = RENDERS,
    half_steps: Annotated[int, typer.Option(min=1, help="At half size, of 16 pairs.")] = HALF_STEPS,
    full_steps: Annotated[int, typer.Option(min=1, help="Then at full size, of 8 pairs.")] = FULL_STEPS,
    rate: Annotated[float, typer.Option(help="Of learning, at half size.")] = RATE,
    noisiness: Annotated[
        float, typer.Option(help="How much more often noisy timesteps are learned.")
    ] = NOISINESS,
    validation: Annotated[int, typer.Option(min=1, help="Renders that choose settings.")] = 30,
    held_out: Annotated[int, typer.Option(min=1, help="Renders that judge.")] = 100,
    steps: Annotated[
        list[int] | None, typer.Option(min=1, help="Denoising; by default the better of 1 and 4.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Members of the ensemble.")] = 1,
    seed: int = 0,
    json: JsonOption = None,
) -> None:
    hidden = tuple(unseen.split(","))
    judges, trying = Judges.draw("test", held_out, hidden), Judges.draw("validation", validation, hidden)
    model = trained(
        work, hidden, half_steps, full_steps, renders=renders, rate=rate, noisiness=noisiness, seed=seed
    )
    plain, best = calibrated(ways(model, steps or STEPS, samples), trying)
    rows = [*sampled_rows(plain, best, judges), *attention_rows(trying, judges)]
    settings = {"unseen": hidden, "renders": renders, "half_steps": half_steps, "full_steps": full_steps}
    settings |= {"held_out": held_out, "steps": plain.steps, "samples": plain.samples}
    settings |= {"noisiness": noisiness, "seed": seed}
    report(f"Seen and unseen classes on {held_out} held-out renders", rows, settings, json)


def sampled_rows(plain: Sampled, best: Sampled, judges: Judges) -> Iterator[Row]:
    """Seg-diffusion, plain and calibrated, asked for all words and for the caption's."""
    calibration = f"penalty {best.penalty}, background {best.background}"
    for asked, words in ASKED.items():
        title = f"seg-diffusion, {asked}"
        for name, own in {title: plain, f"{title}, {calibration}": best}.items():
            scores = judges.scored(replace(own, words=words), name)
            yield {**row(name, scores), "steps": own.steps, "samples": own.samples}


def attention_rows(trying: Judges, judges: Judges) -> Iterator[Row]:
    for asked, words in ASKED.items():
        best = best_attention(words, trying)
        title = f"attention, {asked}, strength {best.strength}, {best.looks} looks"
        yield row(title, judges.scored(best, title))


def row(title: str, scores: Report) -> Row:
    """Seen, unseen, harmonic mean, and the IoU of every class."""
    found = scores.to_dict()
    return {"masks": title, **found["open_vocabulary"], **found["iou"]}


if __name__ == "__main__":
    typer.run(main)
