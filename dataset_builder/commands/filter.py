"""`attnmask filter`: a dataset without the pairs whose masks are wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataset_builder.noise.prune import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from train_segmenter.training.options import TrainingRecipe

TABLE = "filter.csv"
DEFAULT_MODEL = "smp:unet:resnet18"


def filter(
    data: Annotated[Path, typer.Option(help="Dataset folder or Hub name; it stays as it is.")],
    out: Annotated[Path, typer.Option(help="Folder of the filtered dataset; a stopped run goes on.")],
    model: Annotated[
        str | None,
        typer.Option(help=f"Segmenter that judges: smp:..., mask2former:... [default: {DEFAULT_MODEL}]"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="YAML training recipe of the segmenters, which the options here override."),
    ] = None,
    pretrained: Annotated[str, typer.Option(help="Its weights: auto, require or none.")] = "auto",
    folds: Annotated[
        int, typer.Option(min=2, help="Segmenters; each judges the part that it has not seen.")
    ] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps of each. [default: 2000]")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Pairs in a training step. [default: 16]")
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(min=32, help="Side of training crops in scaled pixels. [default: 512 times --scale]"),
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Of the images when segmenters train and judge; 0.5 costs a quarter.")
    ] = 1.0,
    learning_rate: Annotated[float | None, typer.Option(help="Of the segmenters. [default: 0.0005]")] = None,
    threshold: Annotated[
        float, typer.Option(help="Least IoU of a class with the held-out prediction.")
    ] = DEFAULT_THRESHOLD,
    class_threshold: Annotated[
        list[str] | None, typer.Option(help="The same for one class, as cat=0.6. Repeatable.")
    ] = None,
    keep_fraction: Annotated[
        float | None, typer.Option(help="Keep this part of each class, in place of thresholds.")
    ] = None,
    least_coverage: Annotated[float, typer.Option(help="Least share of the image of a class.")] = 0.0,
    greatest_coverage: Annotated[float, typer.Option(help="Greatest share of the image of a class.")] = 1.0,
    clip: Annotated[
        str | None, typer.Option(help="CLIP in transformers format to score prompts with.")
    ] = None,
    least_clip: Annotated[
        float | None, typer.Option(help="Least CLIP similarity of image and prompt.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of folds and training.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Leave out pairs whose masks disagree with segmenters that have not seen them, and say why."""
    from datasets import Features, Value

    from dataset_builder.building.layout import SPLIT
    from dataset_builder.dataset_copies import encoded, mask_names, new_folder, open_dataset, write_rows
    from dataset_builder.hub.card import write_derived_card
    from dataset_builder.noise.coverage import CoverageBounds
    from dataset_builder.noise.filtering import judge, table
    from dataset_builder.noise.prune import PruneOptions, prune
    from dataset_builder.noise.segmenter import SegmenterTrainer
    from diffusers_attnmask.ground.atomic_files import write_text
    from train_segmenter.commands.shared_options import given
    from train_segmenter.data.hub import from_dataset

    if least_clip is not None and clip is None:
        raise ValueError("--least-clip needs a model: name one with --clip")
    options = PruneOptions(
        thresholds={"default": threshold, **dict(map(_class_threshold, class_threshold or []))},
        keep_fraction=keep_fraction,
        coverage=CoverageBounds(least_coverage, greatest_coverage),
        least_clip=least_clip,
    )
    if scale <= 0:
        raise ValueError(f"--scale {scale}: give a positive factor, as 0.5")
    typed = given(steps=steps, batch_size=batch_size, learning_rate=learning_rate)
    judges = _judges(recipe, model, crop, scale, {**typed, "seed": seed})
    with new_folder(out) as work:
        dataset = open_dataset(data)
        source = from_dataset(dataset, tuple(mask_names(dataset.features)), str(data))
        similarity = _clip_scores(clip, source.dataset) if clip else None
        trainer = SegmenterTrainer(
            judges.model, judges.training, work / "segmenters", pretrained, judges.model_options, scale
        )
        judged = judge(source, folds, seed, trainer, similarity)
        reasons = prune(judged, options)
        kept = [index for index, reason in enumerate(reasons) if not reason]
        if not kept:
            raise ValueError(
                "no pair would be left: lower --threshold, or train the segmenters for more --steps"
            )
        stored = encoded(source.dataset)
        rows = ({**stored[index], "quality": judged[index].quality} for index in kept)
        features = Features({**source.dataset.features, "quality": Value("float32")})
        write_rows({SPLIT: (rows, len(kept))}, features, mask_names(features), work)
        write_text(work / TABLE, table(judged, reasons))
        write_derived_card(work, out.resolve().name, data)
        shutil.rmtree(work / "segmenters")
    if as_json:
        typer.echo(json.dumps({"out": str(out), "kept": len(kept), "dropped": len(judged) - len(kept)}))
    else:
        typer.echo(
            f"kept {len(kept)} of {len(judged)} pairs in {out.resolve()}; {TABLE} says why the others went"
        )


def _judges(
    recipe: str | None, model: str | None, crop: int | None, scale: float, typed: Mapping
) -> TrainingRecipe:
    """How the segmenters are made and trained: the recipe, or the defaults, under what was typed."""
    from recipes import find
    from train_segmenter.training.options import TrainingRecipe, TrainOptions

    judges = TrainingRecipe(DEFAULT_MODEL, {}, TrainOptions(steps=2000))
    if recipe is not None:
        judges = TrainingRecipe.read(find(recipe))
    views = judges.training.augmentation.resized(scale)
    views = replace(views, crop=crop or views.crop)
    training = replace(judges.training, augmentation=views, **typed)
    return replace(judges, model=model or judges.model, training=training)


def _class_threshold(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"--class-threshold {text!r}: write it as cat=0.6") from None


def _clip_scores(model: str, dataset: Sequence) -> list[float]:
    from tqdm import tqdm

    from dataset_builder.noise.clip_score import ClipScore

    pairs = ((row["image"].convert("RGB"), row["prompt"]) for row in dataset)
    return list(tqdm(ClipScore(model).over(pairs), "CLIP scores", total=len(dataset)))
