"""Seg-diffusion on the tiny world: classes it was trained with, and classes it knows by their words alone.

    python -m benchmarks.open_vocabulary --work W --json open_vocabulary.json

Training begins from the bundled text-to-image model and sees only renders without an object of the unseen
classes, first at half size, then at full size. Held-out renders show all classes. Scores are the mean IoU
over seen and over unseen classes, without the background, and their harmonic mean. Compared are, each asked
for all classes of the world and for those alone that the caption names,

- seg-diffusion, in the number of steps that suits validation renders best; as it is, and with the penalty on
  trained classes and the score of the background that suit them best;
- (a) attention masks of the same images (`pipe.segment`), at the settings that suit validation renders best;
- (b) a small U-Net trained on the same renders; it has no unseen classes, so that their pixels are ignored.

Then the same with content attention (--no-content leaves out its training, half of all the work), and with
other numbers of steps and samples. What is complete in --work stands; what was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from tqdm import tqdm

from benchmarks.report import Row, report
from benchmarks.world.scenes import Scene, as_source, scenes, world_ids
from diffusers_attnmask import DiffuMaskPipeline, bundled_model
from diffusers_attnmask.seg_diffusion.output import SegDiffusionOutput
from tiny_world.oracle import CLASS_NAMES, MODEL, SHAPE
from tiny_world.rendered_pairs import SPLIT_SEEDS
from tiny_world.scene import SIZE
from train_segmenter.data import ClassMap, Source, mapped
from train_segmenter.evaluation import Report, evaluate
from train_segmenter.mean_iou import JointHistogram
from train_segmenter.models import Segmenter, create
from train_segmenter.models.seg_diffusion.options import whole_images
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainOptions

FIRST_SEED = 900_000_000  # of the training split, far from what the bundled model was trained on
NOISINESS = 3.0  # masks are sampled in few steps, which begin in noise
LOOKS = ((0.3, 1), (0.5, 2), (0.7, 4))  # strength and looks of (a), of which the best is taken
STEPS = (1, 4)  # of which the better number is taken
PENALTIES = (0.0, 0.05, 0.1, 0.15, 0.2)  # on trained classes, and
BACKGROUNDS = (0.35, 0.4, 0.45, 0.5)  # scores of the background, of which the best pair is taken
Prediction = Callable[[Scene], np.ndarray]
Words = Callable[[Scene], Sequence[str]]


def options_at(side: int, steps: int, batch_size: int, learning_rate: float, seed: int) -> TrainOptions:
    """Whole renders at a size; the averaged weights follow the last few hundred steps."""
    return TrainOptions(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=1e-2,
        schedule="cosine",
        warmup=min(100, steps),
        ema=0.995,
        augmentation=whole_images(side, SIZE, SIZE),
        seed=seed,
        log_every=50,
        save_every=250,
    )


def seg_diffusion(work: Path, seen: Source, phases: Sequence[TrainOptions], attention: bool) -> Segmenter:
    """The model after all phases."""
    names = tuple(seen.class_names)
    torch.manual_seed(phases[0].seed)

    def start() -> Segmenter:
        return create("seg-diffusion", names, content_attention=attention, noisiness=NOISINESS)

    for number, options in enumerate(phases):
        folder = work / f"{'content-attention' if attention else 'plain'}-{number}"
        model = trained_model(start, seen, options, folder, cpu=True)

        def start(model: Segmenter = model) -> Segmenter:
            return model

    return model


def unet(work: Path, seen: Source, steps: int, seed: int) -> Segmenter:
    """The baseline (b)."""

    def start() -> Segmenter:
        torch.manual_seed(seed)
        return create(MODEL, seen.class_names, pretrained="none", **SHAPE)

    options = replace(options_at(SIZE, steps, 16, 2e-3, seed), loss="ce+dice")
    return trained_model(start, seen, options, work / "unet", cpu=True)


def all_words(scene: Scene) -> Sequence[str]:
    """Every class of the world."""
    return CLASS_NAMES[1:]


def caption_words(scene: Scene) -> Sequence[str]:
    """The classes that the caption names."""
    return scene.classes


ASKED: dict[str, Words] = {"all classes": all_words, "the caption's": caption_words}


@dataclass(frozen=True)
class Sampled:
    """Seg-diffusion's masks in ids of the world, asked for some words."""

    model: Segmenter
    words: Words
    steps: int
    samples: int
    penalty: float = 0.0
    background: float = 0.5

    def __call__(self, scene: Scene) -> np.ndarray:
        return world_ids(self.words(scene))[self.output(scene).masks[0]]

    def output(self, scene: Scene) -> SegDiffusionOutput:
        return self.model.pipe(
            Image.fromarray(scene.image),
            list(self.words(scene)),
            denoising_steps=self.steps,
            ensemble_size=self.samples,
            seen_penalty=self.penalty,
            background=self.background,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        )


def calibrated(
    asking: Sequence[Sampled], shown: Sequence[Scene], unseen: tuple[str, ...]
) -> tuple[Sampled, Sampled]:
    """Of some ways to ask for all words the one with the best harmonic mean, plain and calibrated."""
    found = [
        (quality, plain, replace(plain, penalty=penalty, background=background))
        for plain in asking
        for quality, penalty, background in settings_of(plain, shown, unseen)
    ]
    _, plain, best = max(found, key=lambda own: own[0])
    return plain, best


def settings_of(
    plain: Sampled, shown: Sequence[Scene], unseen: tuple[str, ...]
) -> Iterator[tuple[float, float, float]]:
    """The harmonic mean by each penalty and background, from one sampling of the scenes."""
    maps = [np.asarray(plain.output(scene).probabilities[0]) for scene in tqdm(shown, "validation")]
    for penalty, background in product(PENALTIES, BACKGROUNDS):
        penalties = plain.model.pipe.penalties(CLASS_NAMES[1:], penalty).numpy()
        histogram = JointHistogram()
        for found, scene in zip(maps, shown, strict=True):
            ground = np.full_like(found[:1], background)
            mask = (np.concatenate([ground, found]) - penalties).argmax(0)
            histogram.add(mask.astype(np.uint8), scene.mask)
        scores = Report(CLASS_NAMES, histogram.confusion(len(CLASS_NAMES)), len(shown), unseen=unseen)
        yield scores.to_dict()["open_vocabulary"]["harmonic"], penalty, background


def attention_masks(pipe: DiffuMaskPipeline, words: Words, strength: float, looks: int) -> Prediction:
    """(a): ids of the world from the attention of the bundled model as it looks at the image."""

    def predict(scene: Scene) -> np.ndarray:
        asked = words(scene)
        told = scene.caption if words is caption_words else f"a photo of a {', a '.join(asked)}"
        out = pipe.segment(
            Image.fromarray(scene.image),
            told,
            list(asked),
            strength=strength,
            looks=looks,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        )
        return world_ids(asked)[out.masks[0]]

    return predict


def scored(title: str, predict: Prediction, shown: Sequence[Scene], unseen: tuple[str, ...]) -> Report:
    histogram = JointHistogram()
    for scene in tqdm(shown, desc=title, leave=False):
        histogram.add(predict(scene), scene.mask)
    return Report(CLASS_NAMES, histogram.confusion(len(CLASS_NAMES)), len(shown), unseen=unseen)


def row(title: str, scores: Report) -> Row:
    """Seen, unseen, harmonic mean, and the IoU of every class."""
    found = scores.to_dict()
    return {
        "masks": title,
        **found["open_vocabulary"],
        "background": found["iou"]["background"],
        **found["iou"],
    }


def unet_row(model: Segmenter, held_out: Sequence[Scene]) -> Row:
    judged = mapped(as_source(held_out), ClassMap(tuple(model.class_names), others="ignore"))
    found = evaluate(model, judged).to_dict()["iou"]
    seen = float(np.mean([value for name, value in found.items() if name != "background"]))
    return {"masks": "(b) U-Net, unseen pixels ignored", "seen": seen, **found}


def main(
    work: Annotated[Path, typer.Option(help="folder of the trainings")],
    unseen: Annotated[
        str, typer.Option(help="classes that no training shows, between commas")
    ] = "moon,house",
    renders: Annotated[int, typer.Option(min=1, help="training renders")] = 4000,
    half_steps: Annotated[int, typer.Option(min=1, help="training steps at half size, 16 pairs each")] = 3000,
    full_steps: Annotated[int, typer.Option(min=1, help="then at full size, 8 pairs each")] = 600,
    unet_steps: Annotated[int, typer.Option(min=0, help="of (b), 16 pairs each; 0 for none")] = 1000,
    learning_rate: Annotated[float, typer.Option(help="of seg-diffusion at half size")] = 5e-4,
    validation: Annotated[int, typer.Option(min=1, help="renders that choose settings")] = 30,
    held_out: Annotated[int, typer.Option(min=1, help="renders that judge")] = 100,
    ablated: Annotated[int, typer.Option(min=0, help="of which judge the ablation; 0 for none")] = 40,
    steps: Annotated[
        list[int] | None, typer.Option(min=1, help="denoising steps to choose among; by default 1 and 4")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="members of the ensemble")] = 3,
    content: Annotated[bool, typer.Option(help="train with content attention, too")] = True,
    seed: int = 0,
    json: Annotated[Path | None, typer.Option(help="write the rows here; the ablation beside it")] = None,
) -> None:
    hidden = tuple(unseen.split(","))
    names = tuple(name for name in CLASS_NAMES if name not in hidden)
    train_seeds = SPLIT_SEEDS["train"]
    drawn = scenes(train_seeds[FIRST_SEED:], lambda scene: not set(scene.classes) & set(hidden))
    seen = mapped(as_source(list(islice(drawn, renders))), ClassMap(names, others="ignore"))
    judges = list(islice(scenes(SPLIT_SEEDS["test"]), held_out))
    phases = (
        options_at(SIZE // 2, half_steps, 16, learning_rate, seed),
        options_at(SIZE, full_steps, 8, learning_rate / 2, seed),
    )
    model = seg_diffusion(work, seen, phases, attention=False)
    trying = list(islice(scenes(SPLIT_SEEDS["validation"]), validation))
    asking = [
        Sampled(model, all_words, count, size)
        for count in steps or STEPS
        for size in {1, samples if count > 1 else 1}  # members that take one step hardly differ
    ]
    plain, best = calibrated(asking, trying, hidden)
    rows = []
    for title, words in ASKED.items():
        for name, own in {
            f"seg-diffusion, {title}": plain,
            f"seg-diffusion, {title}, penalty {best.penalty}, background {best.background}": best,
        }.items():
            scores = scored(name, replace(own, words=words), judges, hidden)
            rows.append({**row(name, scores), "steps": own.steps, "samples": own.samples})
    rows += [row(*best_attention(judges, trying, hidden, words, title)) for title, words in ASKED.items()]
    if unet_steps:
        rows.append(unet_row(unet(work, seen, unet_steps, seed), judges))
    settings = {"unseen": hidden, "renders": renders, "half_steps": half_steps, "full_steps": full_steps}
    settings |= {
        "held_out": held_out,
        "steps": plain.steps,
        "samples": plain.samples,
        "unet_steps": unet_steps,
        "seed": seed,
    }
    report(f"Seen and unseen classes on {held_out} held-out renders", rows, settings, json)
    if not ablated:
        return
    part = judges[:ablated]
    variants = [(model, 1, 1), (model, 4, 1), (model, 4, samples), (model, 8, 1)]
    attentive = seg_diffusion(work, seen, phases, attention=True) if content else None
    if attentive is not None:
        variants += [(attentive, count, size) for _, count, size in variants[:3]]
    ablation = []
    for own, count, size in dict.fromkeys(variants):
        ask = replace(best, model=own, steps=count, samples=size)
        scores = scored("ablation", ask, part, hidden).to_dict()["open_vocabulary"]
        ablation.append({"content attention": own is attentive, "steps": count, "samples": size, **scores})
    beside = json.with_name(f"{json.stem}-ablation{json.suffix}") if json else None
    report(f"Ablation on {len(part)} of them", ablation, settings, beside)


def best_attention(
    judges: Sequence[Scene], trying: Sequence[Scene], hidden: tuple[str, ...], words: Words, asked: str
) -> tuple[str, Report]:
    """(a) at the settings that are best on validation renders."""
    pipe = DiffuMaskPipeline.from_pretrained(bundled_model())

    def quality(setting: tuple[float, int]) -> float:
        return scored("validation", attention_masks(pipe, words, *setting), trying, hidden).mean_iou

    strength, looks = max(LOOKS, key=quality)
    title = f"(a) attention, {asked}, strength {strength}, {looks} looks"
    return title, scored(title, attention_masks(pipe, words, strength, looks), judges, hidden)


if __name__ == "__main__":
    typer.run(main)
