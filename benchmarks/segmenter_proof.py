r"""How good a segmenter of the tiny world becomes on generated pairs, beside one trained on exact renders.

    python -m benchmarks.scene_captions captions
    attnmask build --recipe benchmarks/segmenter_proof.yaml --out raw --engine ray --workers 2
    attnmask refine --data raw --out refined --method none --whole-regions --snap --uncertain decide
    attnmask refine --data raw --out regions --method none --whole-regions
    attnmask filter --data regions --out kept --model smp:unet:tu-resnet10t --pretrained none --folds 2 \
        --steps 1500 --scale 0.5 --crop 64 --learning-rate 2e-3 --keep-fraction 0.85
    attnmask refine --data kept --out filtered --method none --snap --uncertain decide
    python -m benchmarks.segmenter_proof --work arms --raw raw --refined refined --filtered filtered \
        --scale 0.5 --json segmenter_proof.json

Every arm trains the same model from random weights for the same number of steps and is judged on renders
that nothing was trained on, at two scales and mirrored: (a) N renders with exact masks; (b) N generated
pairs, raw; (c) the same, refined; (d) refined and filtered; (e) the best of (b) to (d) with augmentation,
pairs turned and zoomed as they are drawn; (f) self-training: the best of (b) to (e) labels its own images
again; (g) a third of the steps on the pairs of the best generated arm, the others on N / 10 renders. "Best"
is chosen on validation renders, never on the held-out ones. Arms that are complete in --work stand; those
whose data are not given are left out. `--scale 0.5` trains at half size, for a quarter of the time, and
judges there and a quarter larger.

The last rows tell what (g) owes to what: its renders alone, trained as the other arms and at the learning
rates of (g), which rise again after a third of the steps; the renders of (a) at those rates; and fewer
renders, with and without the generated pairs before them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.report import report
from tiny_world.oracle import CLASS_NAMES, MODEL, SHAPE, Renders
from tiny_world.scene import SIZE
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.data import ClassMap, Source, mapped, open_source
from train_segmenter.evaluation import Inference, Report, evaluate
from train_segmenter.models import Segmenter, create
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainOptions
from train_segmenter.training.self_training import pseudo_label

FINE_TUNED = 10  # (g) sees one real render for ten of (a),
FEWER = (30, 100)  # and in the last rows one for so many
FIRST = 1 / 3  # of the steps of (g) are on generated pairs; the learning rate is constant there
FASTER = 8 / 3  # of the other arms' learning rate is where (g) begins on the renders
# The model paints objects upright and of a middling size; the world tilts them and varies their sizes more.
TURNED = AugmentOptions(splice=0, blur=0, occlude=0, perspective=0, turn=1, angle=15, zoom=(0.9, 1.12))
LARGER = 1.25  # the second scale of judging, and of the labels of (f), as a factor
SEEDS = {"train": 800_000_000, "validation": 0, "test": 0}  # first seed within each split


@dataclass(frozen=True)
class Arm:
    """A trained arm: folder, title, data, training, model, and scores on validation and held-out renders."""

    folder: str
    title: str
    source: Source
    options: TrainOptions
    model: Segmenter
    validation: float
    report: Report


@dataclass(frozen=True)
class Bench:
    """What all arms share."""

    work: Path
    options: TrainOptions
    inference: Inference
    validation: Renders
    held_out: Renders
    cpu: bool

    def new_model(self) -> Segmenter:
        torch.manual_seed(self.options.seed)
        return create(MODEL, CLASS_NAMES, pretrained="none", **SHAPE)

    def trained(
        self, folder: str, source: Source, model: Callable[[], Segmenter], options: TrainOptions
    ) -> Segmenter:
        return trained_model(model, source, options, self.work / folder, cpu=self.cpu)

    def arm(self, folder: str, title: str, source: Source, options: TrainOptions, model: Segmenter) -> Arm:
        validation, held_out = (
            evaluate(model, part, self.inference) for part in (self.validation, self.held_out)
        )
        print(f"{title}: mean IoU {held_out.mean_iou:.4f} ({len(source)} pairs)", flush=True)
        return Arm(folder, title, source, options, model, validation.mean_iou, held_out)

    def from_scratch(
        self, folder: str, title: str, source: Source, options: TrainOptions | None = None
    ) -> Arm:
        options = options or self.options
        model = self.trained(folder, source, self.new_model, options)
        return self.arm(folder, title, source, options, model)

    def augmented(self, best: Arm) -> Arm:
        """Arm (e)."""
        options = replace(self.options, augment=TURNED)
        return self.from_scratch(
            f"e-after-{best.folder}", f"(e) {best.title[:3]}, augmented", best.source, options
        )

    def self_trained(self, best: Arm) -> Arm:
        """Arm (f)."""
        labels = self.work / f"labels-of-{best.folder}"
        source = pseudo_label(best.model, best.source, labels, self.inference)
        return self.from_scratch(
            f"f-after-{best.folder}", f"(f) self-training after {best.title[:3]}", source, best.options
        )

    def fine_tuned(self, name: str, title: str, best: Arm, renders: Renders) -> Arm:
        """A third of the steps on the pairs of the best generated arm, the others on renders."""
        begun = self.begun(f"g-after-{best.folder}", best.source, best.options)
        return self.ended(f"{name}-after-{best.folder}", title, begun, renders)

    def at_rates_of_g(self, folder: str, title: str, renders: Renders) -> Arm:
        """The same learning rates, with no generated pairs."""
        return self.ended(folder, title, self.begun(folder, renders, self.options), renders)

    @property
    def first_steps(self) -> int:
        return max(1, round(FIRST * self.options.steps))

    def begun(self, folder: str, source: Source, options: TrainOptions) -> Segmenter:
        """Trained for a third of the steps, at a constant rate."""
        options = replace(options, steps=self.first_steps, schedule="poly", power=0.0)
        return self.trained(f"{folder}-begun", source, self.new_model, options)

    def ended(self, folder: str, title: str, begun: Segmenter, renders: Renders) -> Arm:
        """Trained for the other steps, from a higher rate."""
        steps, rate = self.options.steps - self.first_steps, FASTER * self.options.learning_rate
        options = replace(self.options, steps=steps, learning_rate=rate)
        model = self.trained(folder, renders, lambda: begun, options)
        return self.arm(folder, title, renders, options, model)


def main(
    work: Annotated[Path, typer.Option(help="folder for the arms' models")],
    raw: Annotated[str | None, typer.Option(help="generated dataset of arm (b)")] = None,
    refined: Annotated[str | None, typer.Option(help="of arm (c)")] = None,
    filtered: Annotated[str | None, typer.Option(help="of arm (d)")] = None,
    real: Annotated[int, typer.Option(help="N, the renders of arm (a)")] = 3000,
    held_out: Annotated[int, typer.Option(help="renders that judge")] = 1000,
    validation: Annotated[int, typer.Option(help="renders that choose the best generated arm")] = 500,
    steps: int = 1500,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    dtype: str = "fp32",
    scale: Annotated[float, typer.Option(help="of the images in training, and the smaller in judging")] = 1.0,
    seed: int = 0,
    cpu: bool = False,
    json: Annotated[Path | None, typer.Option(help="write the rows here")] = None,
) -> None:
    options = TrainOptions(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        dtype=dtype,
        weight_decay=1e-2,
        schedule="cosine",
        warmup=min(50, steps),
        loss="ce+dice",
        ema=0.99,
        augmentation=Augmentation(
            crop=round(SIZE * scale), scale=(0.9 * scale, 1.2 * scale), largest_class=1.0
        ),
        seed=seed,
        log_every=50,
        save_every=max(1, steps // 4),
    )
    renders = {"validation": validation, "test": held_out}
    judges = (Renders.draw(count, split, SEEDS[split]) for split, count in renders.items())
    inference = Inference(scales=(scale, LARGER * scale), flip=True)
    bench = Bench(work, options, inference, *judges, cpu)
    exact = first_renders(real)
    arms = [bench.from_scratch("a", "(a) renders, exact masks", exact)]
    given = {"(b) raw": raw, "(c) refined": refined, "(d) filtered": filtered}
    generated = [
        bench.from_scratch(title[1], title, mapped(open_source(path), ClassMap(CLASS_NAMES)))
        for title, path in given.items()
        if path is not None
    ]
    if generated:
        generated.append(bench.augmented(best_of(generated)))
        generated.append(bench.self_trained(best_of(generated)))
        best, few = best_of(generated), first_renders(real // FINE_TUNED)
        tuned = bench.fine_tuned("g", f"(g) {best.title[:3]}, then {len(few)} renders", best, few)
        arms += [*generated, tuned, *controls(bench, best, few, exact)]
    settings = {**options.to_dict(), "model": MODEL, "real": real, "held_out": held_out, "scale": scale}
    report(f"segmenters judged on {held_out} held-out renders", rows(arms), settings, json)
    if generated:
        report(
            "where the gap is: IoU of each class",
            class_rows(arms[0], best, tuned),
            settings,
            None,
        )


def controls(bench: Bench, best: Arm, few: Renders, exact: Renders) -> list[Arm]:
    """The renders of (g) alone, those of (a) at its rates, and fewer with and without its pairs."""
    found = [
        bench.from_scratch("few", f"{len(few)} renders alone", few),
        bench.at_rates_of_g("few-as-g", f"{len(few)} renders at the rates of (g)", few),
        bench.at_rates_of_g("a-as-g", "(a) at the rates of (g)", exact),
    ]
    for part in FEWER:
        fewer = first_renders(len(exact) // part)
        count = len(fewer)
        found += [
            bench.fine_tuned(f"g{count}", f"{best.title[:3]}, then {count} renders", best, fewer),
            bench.at_rates_of_g(f"{count}-as-g", f"{count} renders at the rates of (g)", fewer),
        ]
    return found


def first_renders(count: int) -> Renders:
    return Renders.draw(max(1, count), "train", SEEDS["train"])


def best_of(arms: list[Arm]) -> Arm:
    return max(arms, key=lambda arm: arm.validation)


def rows(arms: list[Arm]) -> list[dict]:
    exact = arms[0].report.mean_iou
    return [
        {
            "arm": arm.title,
            "pairs": len(arm.source),
            "mean IoU": arm.report.mean_iou,
            "share of (a)": arm.report.mean_iou / exact,
            **{name: float(value) for name, value in zip(CLASS_NAMES, arm.report.iou, strict=True)},
        }
        for arm in arms
    ]


def class_rows(exact: Arm, best: Arm, tuned: Arm) -> list[dict]:
    """Each class's IoU in (a), in the best generated arm and in (g); the widest gap comes first."""
    columns = {"(a)": exact, f"best generated {best.title[:3]}": best, "(g)": tuned}
    found = [
        {"class": name, **{title: float(arm.report.iou[label]) for title, arm in columns.items()}}
        for label, name in enumerate(CLASS_NAMES)
    ]
    for row in found:
        row["gap to (a)"] = row["(a)"] - float(best.report.iou[CLASS_NAMES.index(row["class"])])
    return sorted(found, key=lambda row: -row["gap to (a)"])


if __name__ == "__main__":
    typer.run(main)
