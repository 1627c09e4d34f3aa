"""`attnmask filter`: a dataset without the pairs whose masks are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dataset_builder.commands.shared_options import Address, Engine, Gpus, Outside, Workers, typed_engine
from diffusers_attnmask.ground.typed import by_name, choice, given, is_trial, named


def filter(
    data: Annotated[str, typer.Option(help="Dataset, or name@split[:10%]; it stays as it is.")],
    out: Annotated[str, typer.Option(help="Folder of the filtered dataset; a stopped run goes on.")],
    model: Annotated[
        str | None,
        typer.Option(help="Segmenter that judges: smp:..., mask2former:... [default: smp:unet:resnet18]"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="YAML training recipe of the segmenters, or the name of a bundled one such as train-tiny, "
            "which the options here override."
        ),
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
    ] = 0.1,
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
    second: Annotated[
        str | None,
        typer.Option(
            help="Second labeller: a mask method's name, or the folder or repository of a trained segmenter "
            "or of a SAM."
        ),
    ] = None,
    second_model: Annotated[
        str | None,
        typer.Option(help="Diffusion model whose attention that method reads, by default the bundled one."),
    ] = None,
    least_agreement: Annotated[
        float | None, typer.Option(help="Least IoU of a class with the second labeller.")
    ] = None,
    duplicates: Annotated[
        int | None,
        typer.Option(
            help="Leave out pictures that differ from an earlier one in at most so many of 64 bits."
        ),
    ] = None,
    ask: Annotated[
        str | None, typer.Option(help="Vision-language model that is asked whether each class is there.")
    ] = None,
    least_yes: Annotated[float | None, typer.Option(help="Least probability that it answers yes.")] = None,
    flags: Annotated[
        Path | None, typer.Option(help="Table of flagged pairs, as attnmask app writes it: they go, too.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of folds, training and the second labeller.")] = 0,
    allow_outside: Outside = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how pairs would be judged, and exit.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Of --dry-run: train a judge for a few steps, for the hours.")
    ] = False,
    engine: Engine = "local",
    workers: Workers = 1,
    address: Address = "local",
    gpus: Gpus = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Leave out pairs whose masks disagree with segmenters that have not seen them, and say why."""
    from dataset_builder.dataset_folder import FILTER_TABLE
    from dataset_builder.noise.coverage import CoverageBounds
    from dataset_builder.noise.plan import plan_filter
    from dataset_builder.noise.prune import PruneOptions
    from dataset_builder.noise.run import FilterRun, filter_dataset
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import check_new_place, shown

    own_thresholds = by_name(map(parsed_threshold, class_threshold or []), "--class-threshold")
    if "default" in own_thresholds:
        raise ValueError("--class-threshold default is that of every other class: write it as --threshold")
    thresholds = {"thresholds": "--class-threshold", "thresholds.default": "--threshold"}
    with as_flags({**thresholds, "low": "--least-coverage", "high": "--greatest-coverage"}):
        run = FilterRun(
            recipe=recipe,
            model=model,
            changes=given(steps=steps, batch_size=batch_size, learning_rate=learning_rate),
            pretrained=choice(pretrained),
            folds=folds,
            crop=crop,
            scale=scale,
            prune=PruneOptions(
                thresholds={"default": threshold, **own_thresholds},
                keep_fraction=keep_fraction,
                coverage=CoverageBounds(least_coverage, greatest_coverage),
                least_clip=least_clip,
                least_agreement=least_agreement,
                duplicates=duplicates,
                least_yes=least_yes,
            ),
            clip=clip,
            second=second,
            second_model=second_model,
            ask=ask,
            flags=flags,
            seed=seed,
            allow_outside=allow_outside,
        )
        where = typed_engine(engine, workers, address, gpus)
    if is_trial(dry_run, measure):
        check_new_place(out, "filter")
        plan = plan_filter(data, run, measure=measure)
        typer.echo(json.dumps(plan.to_dict()) if as_json else "\n".join(plan.lines()))
        return
    found = filter_dataset(data, out, run, where)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "kept": found.kept, "dropped": found.dropped}))
    else:
        kept = f"kept {found.kept} of {found.kept + found.dropped} pairs in {shown(out)}"
        typer.echo(f"{kept}; {FILTER_TABLE} says why the others went")


def parsed_threshold(text: str) -> tuple[str, float]:
    name, value = named(text, "--class-threshold", "0.6")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"--class-threshold {text!r}: write it as cat=0.6") from None
