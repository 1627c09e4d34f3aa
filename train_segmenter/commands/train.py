"""`attnmask train`: a segmenter from generated or real pairs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from diffusers_attnmask.ground.schema_flag import schema_flag
from diffusers_attnmask.ground.typed import by_name, choice, given, is_trial, parsed_option
from train_segmenter.commands.shared_options import (
    DATA_HELP,
    DeviceOption,
    GroupOption,
    JsonOption,
    OthersOption,
    OutsideOption,
    parsed_groups,
)


def recipes() -> type:
    from train_segmenter.training.options import TrainingRecipe

    return TrainingRecipe


def train(
    data: Annotated[list[str], typer.Option(help=f"{DATA_HELP} Repeated: a mixture.")],
    out: Annotated[str, typer.Option(help="Folder of the model, its checkpoints and curves.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="smp:ARCHITECTURE:ENCODER, mask2former:BACKBONE, seg-diffusion:CHECKPOINT (without "
            "one, from the bundled model), or a trained model to go on from. [default: smp:unet:resnet18]"
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="YAML file, or the name of a bundled recipe as train-tiny; the options here override it."
        ),
    ] = None,
    model_option: Annotated[
        list[str] | None,
        typer.Option(help="An option of the model, over the recipe's, as encoding=levels. Repeatable."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="semantic, instance or panoptic; the latter two of mask2former, on data that tell objects "
            "apart. [default: semantic]"
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps. [default: 20000]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pairs in a forward pass. [default: 16]")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Forward passes in a step. [default: 1]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of AdamW. [default: 0.0005]")] = None,
    schedule: Annotated[str | None, typer.Option(help="poly or cosine. [default: poly]")] = None,
    loss: Annotated[
        str | None, typer.Option(help="ce, dice, focal or sums such as ce+0.5*dice. [default: ce]")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16. [default: fp32]")] = None,
    ema: Annotated[
        float | None, typer.Option(help="Decay of the averaged weights, 0 for none. [default: 0.999]")
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="Side of training crops. [default: 512 or the images' side]")
    ] = None,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment", help="Splice, warp, occlude and blur pairs as attnmask augment does, storing none."
        ),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Of order, augmentation and weights. [default: 0]")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that read data. [default: 0]")] = None,
    evaluate_every: Annotated[
        int | None, typer.Option(help="Steps between validations. [default: 1000]")
    ] = None,
    save_every: Annotated[int | None, typer.Option(help="Steps between checkpoints. [default: 1000]")] = None,
    log_every: Annotated[
        int | None, typer.Option(help="Steps between points of the curves. [default: 10]")
    ] = None,
    tracker: Annotated[list[str] | None, typer.Option(help="jsonl or tensorboard. Repeatable.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Data whose best mean IoU decides what is kept.")
    ] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="Of each --data in the mixture. [default: 1]")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", "-c", help="A class, in the order of ids. Repeatable. [default: the data's]"),
    ] = None,
    others: OthersOption = "error",
    group: GroupOption = None,
    pretrained: Annotated[
        str, typer.Option(help="Weights: auto (when reachable), require or none.")
    ] = "auto",
    self_training: Annotated[
        bool,
        typer.Option("--self-training", help="Train a second model on the first one's labels of the data."),
    ] = False,
    confidence: Annotated[
        float, typer.Option(help="Of self-training labels; less sure pixels are ignored.")
    ] = 0.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in --out.")
    ] = False,
    allow_outside: OutsideOption = False,
    check: Annotated[bool, typer.Option(help="Read all pairs first and name the faulty ones.")] = True,
    export: Annotated[str | None, typer.Option(help="Write the model as pt2 or onnx, too.")] = None,
    device: DeviceOption = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and exit.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Of --dry-run: train a few steps, for the hours.")
    ] = False,
    as_json: JsonOption = False,
    schema: Annotated[bool, schema_flag(recipes)] = False,
) -> None:
    """Train a segmenter on generated or real pairs."""
    from diffusers_attnmask.ground.options import as_flags
    from train_segmenter.training.plan import plan_training
    from train_segmenter.training.run import TrainRun, train_model

    with as_flags(
        {"weights": "--weight", "trackers": "--tracker", "groups": "--group", "classes": "--class"}
    ):
        run = TrainRun(
            recipe=recipe,
            model=model,
            model_options=by_name(
                (parsed_option(word, "--model-option") for word in model_option or ()), "--model-option"
            ),
            task=choice(task),
            changes=given(
                steps=steps,
                batch_size=batch_size,
                accumulate=accumulate,
                learning_rate=learning_rate,
                schedule=schedule,
                loss=loss,
                dtype=dtype,
                ema=ema,
                seed=seed,
                workers=workers,
                evaluate_every=evaluate_every,
                save_every=save_every,
                log_every=log_every,
                trackers=tuple(tracker) if tracker else None,
            ),
            crop=crop,
            augment=augment,
            validation=validation,
            weights=tuple(weight or ()),
            classes=tuple(classes) if classes else None,
            others=choice(others),
            groups=parsed_groups(group),
            pretrained=choice(pretrained),
            self_training=self_training,
            confidence=confidence,
            resume=resume,
            allow_outside=allow_outside,
            check=check,
            export=choice(export),
            device=choice(device),
        )
    if is_trial(dry_run, measure):
        plan = plan_training(data, out, run, measure=measure, progress=not as_json)
        typer.echo(json.dumps(plan.to_dict()) if as_json else "\n".join(plan.lines()))
        return
    trained = train_model(data, out, run, progress=not as_json)
    if trained is None:  # another process tells
        return
    score = trained.report.mean_iou if trained.report else None
    if as_json:
        typer.echo(json.dumps({"model": str(out), "steps": trained.options.steps, "mean_iou": score}))
    else:
        typer.echo(f"trained {out}" + (f": mean IoU {score:.4f}" if score else ""))
