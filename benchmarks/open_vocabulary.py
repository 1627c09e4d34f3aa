"""Seg-diffusion on the tiny world: classes it was trained with, and classes it knows by their words alone.

    python -m benchmarks.open_vocabulary --work W --json open_vocabulary.json
    python -m benchmarks.open_vocabulary --work W1 --noisiness 100000 --steps 1 --samples 1 --ablated 0

Training begins from the bundled text-to-image model and sees only renders without an object of the unseen
classes, first at half size, then at full size. Held-out renders show all classes. Scores are the mean IoU
over seen and over unseen classes, without the background, and their harmonic mean. Compared are, each asked
for all classes of the world and for those alone that the caption names,

- seg-diffusion, in the number of steps that suits validation renders best; as it is, and with the penalty on
  trained classes and the score of the background that suit them best;
- (a) attention masks of the same images (`pipe.segment`), at the settings that suit validation renders best;
- (b) a small U-Net trained on the same renders; it has no unseen classes, so that their pixels are ignored.

The second command learns the last timestep alone, where noise is all that is seen and the mask all that is
answered, to be sampled in one step.

Then the same with content attention (--no-content leaves out its training, half of all the work), and with
other numbers of steps and samples. What is complete in --work stands; what was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.report import JsonOption, Row, report
from benchmarks.unseen.judging import Judges, best_attention, calibrated
from benchmarks.unseen.masks import ASKED, Sampled, ways
from benchmarks.unseen.trainings import renders_without, seg_diffusion, two_sizes, unet
from benchmarks.world.scenes import as_source
from train_segmenter.data import ClassMap, mapped
from train_segmenter.evaluation import Report, evaluate
from train_segmenter.models import Segmenter

STEPS = (1, 4)  # of denoising, of which the better number is taken


def main(
    work: Annotated[Path, typer.Option(help="Folder of the trainings.")],
    unseen: Annotated[
        str, typer.Option(help="Classes that no training shows, between commas.")
    ] = "moon,house",
    renders: Annotated[int, typer.Option(min=1, help="Training renders.")] = 4000,
    half_steps: Annotated[int, typer.Option(min=1, help="Training steps at half size, of 16 pairs.")] = 3000,
    full_steps: Annotated[int, typer.Option(min=1, help="Then at full size, of 8 pairs.")] = 600,
    unet_steps: Annotated[int, typer.Option(min=0, help="Of (b), of 16 pairs; 0 for none.")] = 1000,
    learning_rate: Annotated[float, typer.Option(help="Of seg-diffusion at half size.")] = 5e-4,
    noisiness: Annotated[float, typer.Option(help="How much more often noisy timesteps are learned.")] = 3.0,
    validation: Annotated[int, typer.Option(min=1, help="Renders that choose settings.")] = 30,
    held_out: Annotated[int, typer.Option(min=1, help="Renders that judge.")] = 100,
    ablated: Annotated[int, typer.Option(min=0, help="Of them for the ablation; 0 for none.")] = 40,
    steps: Annotated[
        list[int] | None, typer.Option(min=1, help="Denoising; by default the better of 1 and 4.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Members of the ensemble.")] = 3,
    content: Annotated[bool, typer.Option(help="Train with content attention, too.")] = True,
    seed: int = 0,
    json: JsonOption = None,
) -> None:
    hidden = tuple(unseen.split(","))
    seen = renders_without(hidden, renders)
    judges, trying = Judges.draw("test", held_out, hidden), Judges.draw("validation", validation, hidden)
    phases = two_sizes(half_steps, full_steps, learning_rate, seed)
    model = seg_diffusion(work, seen, phases, noisiness)
    plain, best = calibrated(ways(model, steps or STEPS, samples), trying)
    rows = [*sampled_rows(plain, best, judges), *attention_rows(trying, judges)]
    if unet_steps:
        rows.append(unet_row(unet(work, seen, unet_steps, seed), judges))
    settings = {"unseen": hidden, "renders": renders, "half_steps": half_steps, "full_steps": full_steps}
    settings |= {"held_out": held_out, "steps": plain.steps, "samples": plain.samples}
    settings |= {"unet_steps": unet_steps, "noisiness": noisiness, "seed": seed}
    report(f"Seen and unseen classes on {held_out} held-out renders", rows, settings, json)
    if ablated:
        attentive = seg_diffusion(work, seen, phases, noisiness, attention=True) if content else None
        part = Judges(judges.shown[:ablated], hidden)
        ablation = list(ablation_rows(best, attentive, samples, part))
        beside = json.with_name(f"{json.stem}-ablation{json.suffix}") if json else None
        report(f"Ablation on {len(part.shown)} of them", ablation, settings, beside)


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
        title = f"(a) attention, {asked}, strength {best.strength}, {best.looks} looks"
        yield row(title, judges.scored(best, title))


def row(title: str, scores: Report) -> Row:
    """Seen, unseen, harmonic mean, and the IoU of every class."""
    found = scores.to_dict()
    return {"masks": title, **found["open_vocabulary"], **found["iou"]}


def unet_row(model: Segmenter, judges: Judges) -> Row:
    judged = mapped(as_source(judges.shown), ClassMap(tuple(model.class_names), others="ignore"))
    found = evaluate(model, judged).to_dict()["iou"]
    seen = float(np.mean([value for name, value in found.items() if name != "background"]))
    return {"masks": "(b) U-Net, unseen pixels ignored", "seen": seen, **found}


def ablation_rows(best: Sampled, attentive: Segmenter | None, samples: int, judges: Judges) -> Iterator[Row]:
    """Other numbers of steps and samples; also with content attention, where a model has it."""
    variants = [(best.model, 1, 1), (best.model, 4, 1), (best.model, 4, samples), (best.model, 8, 1)]
    if attentive is not None:
        variants += [(attentive, count, size) for _, count, size in variants[:3]]
    for model, count, size in dict.fromkeys(variants):
        ask = replace(best, model=model, steps=count, samples=size)
        scores = judges.scored(ask, "ablation").to_dict()["open_vocabulary"]
        yield {"content attention": model is attentive, "steps": count, "samples": size, **scores}


if __name__ == "__main__":
    typer.run(main)
