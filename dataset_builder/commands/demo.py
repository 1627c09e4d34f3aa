"""`attnmask demo`: the whole way once, offline: pictures, masks, a dataset, a segmenter, its scores."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from train_segmenter.data import Source
    from train_segmenter.evaluation.scores import Report
    from train_segmenter.models import Segmenter

Result = TypeVar("Result")

TRAINING = "train-tiny"  # the recipe of every segmenter here
SCALE = 0.5  # of the pictures when segmenters train and judge: a quarter of the time
FOLDS = 2
REAL_START = 700_000_000  # renders far from those that the bundled model and the oracle have seen


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """pairs: sampled, in `sampling_steps` each. steps: of a segmenter's training, judge_steps: of one of the
    filter's judges. keep: the part of each class that they agree with. held_out: renders to evaluate on."""

    pairs: int = 208
    sampling_steps: int = 12
    seed: int = 0
    steps: int = 900
    judge_steps: int = 400
    keep: float = 0.9
    held_out: int = 200
    workers: int = 1


@dataclass
class Stages:
    """Runs stages one after the other and keeps their times."""

    total: int
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, step: Callable[[], Result]) -> Result:
        typer.secho(f"[{len(self.seconds) + 1}/{self.total}] {name}", bold=True, err=True)
        started = time.monotonic()
        result = step()
        self.seconds[name] = round(time.monotonic() - started, 1)
        return result


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
    check_extras()
    judge_steps = max(1, min(DemoOptions.judge_steps, steps))
    options = DemoOptions(pairs=pairs, seed=seed, steps=steps, judge_steps=judge_steps, workers=workers)
    scores = run(options, out)
    typer.echo(json.dumps(scores) if as_json else summary(scores, out))


def run(options: DemoOptions, out: Path) -> dict:
    """All stages; those whose result is in the folder already cost nothing. Returns the scores."""
    from datasets import load_dataset
    from datasets.utils.logging import disable_progress_bar

    from dataset_builder.report.page import write_report
    from tiny_world.oracle import Renders
    from train_segmenter.data.hub import from_dataset

    stages = Stages(6)
    disable_progress_bar()  # of caching, which is over in a blink
    stages.run(f"sample {options.pairs} pairs, refine and write them", lambda: sample(options, out / "data"))
    filtered = stages.run(
        "filter: judges that did not see a pair must agree with it", lambda: filtered_in(out, options)
    )
    dataset = load_dataset(str(filtered), split="train", cache_dir=str(out / "cache"))
    generated = stages.run(
        f"train a segmenter on the {len(dataset)} generated pairs",
        lambda: trained(from_dataset(dataset), options, out / "segmenter-generated"),
    )
    exact = stages.run(
        f"train the same on {len(dataset)} exact pairs, for comparison",
        lambda: trained(Renders.draw(len(dataset), start=REAL_START), options, out / "segmenter-exact"),
    )
    held_out = Renders.draw(options.held_out, "test")
    reports = stages.run(
        f"evaluate both on {options.held_out} held-out renders",
        lambda: {"generated": judged(generated, held_out), "exact": judged(exact, held_out)},
    )
    stages.run(
        "write the report page", lambda: write_report(filtered, out / "report.html", title="tiny world")
    )
    scores = {
        "sampled": options.pairs,
        "kept": len(dataset),
        "steps": options.steps,
        "held_out": options.held_out,
        "mean_iou": {name: round(report.mean_iou, 4) for name, report in reports.items()},
        "iou": {name: [round(float(own), 4) for own in report.iou] for name, report in reports.items()},
        "class_names": list(held_out.class_names),
        "seconds": stages.seconds,
    }
    write_scores(scores, out)
    return scores


def sample(options: DemoOptions, folder: Path) -> None:
    from dataset_builder.building.run import EngineOptions, build
    from dataset_builder.recipe import Recipe

    recipe = Recipe.read("tiny")
    sampling = replace(recipe.sampling, steps=options.sampling_steps)
    recipe = recipe.with_changes(pairs=options.pairs, seed=options.seed, sampling=sampling)
    build(recipe, folder, EngineOptions(workers=options.workers))


def filtered_in(out: Path, options: DemoOptions) -> Path:
    """The folder of the pairs that judges agree with most, made if it is not there."""
    from dataset_builder.commands.filter import filter

    folder = out / "filtered"
    if not folder.exists():
        filter(
            out / "data",
            folder,
            recipe=TRAINING,
            pretrained="none",
            folds=FOLDS,
            steps=options.judge_steps,
            scale=SCALE,
            keep_fraction=options.keep,
            seed=options.seed,
        )
    return folder


def trained(source: Source, options: DemoOptions, folder: Path) -> Segmenter:
    """The segmenter in the folder, trained if it is not there, and further if it was stopped."""
    import torch

    import recipes
    from train_segmenter.models import create
    from train_segmenter.training.loop import trained_model
    from train_segmenter.training.options import TrainingRecipe

    recipe = TrainingRecipe.read(recipes.find(TRAINING))
    views = recipe.training.augmentation.resized(SCALE)
    training = replace(recipe.training, steps=options.steps, seed=options.seed, augmentation=views)

    def new_model() -> Segmenter:
        torch.manual_seed(options.seed)
        return create(recipe.model, tuple(source.class_names), pretrained="none", **recipe.model_options)

    return trained_model(new_model, source, training, folder, cpu=True)


def judged(model: Segmenter, source: Source) -> Report:
    from train_segmenter.evaluation import Inference, evaluate

    return evaluate(model, source, Inference(scales=(SCALE,)))


def write_scores(scores: dict, out: Path) -> None:
    from diffusers_attnmask.ground.atomic_files import write_text

    write_text(out / "scores.json", json.dumps(scores, indent=2) + "\n")


def summary(scores: dict, out: Path) -> str:
    """What the demo says at its end."""
    width = max(map(len, scores["class_names"]))
    lines = [
        f"{scores['kept']} of {scores['sampled']} sampled pairs kept; {scores['steps']} steps of training; "
        f"{scores['held_out']} held-out renders",
        "",
        f"{'IoU':<{width}}  generated  exact",
    ]
    columns = zip(scores["class_names"], scores["iou"]["generated"], scores["iou"]["exact"], strict=True)
    lines += [f"{name:<{width}}  {generated:9.3f}  {exact:5.3f}" for name, generated, exact in columns]
    mean = scores["mean_iou"]
    lines += [f"{'mean':<{width}}  {mean['generated']:9.3f}  {mean['exact']:5.3f}", ""]
    lines += [f"{seconds:7.1f} s  {name}" for name, seconds in scores["seconds"].items()]
    lines += [
        "",
        f"look at    {(out / 'report.html').resolve()}",
        f"load with  load_dataset({str(out / 'filtered')!r})",
    ]
    segmenter = out / "segmenter-generated"
    lines += [f"segment    attnmask segment PICTURE --model {segmenter} --scales {SCALE}"]
    return "\n".join(lines)


def check_extras() -> None:
    try:
        import segmentation_models_pytorch  # noqa: F401
    except ImportError as reason:
        raise OSError("the demo trains a segmenter: pip install 'diffusers-attnmask[train]'") from reason
