"""`attnmask train`: a segmenter from generated or real pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diffusers_attnmask.ground.typed import by_name, choice, given, parsed_names, parsed_option
from train_segmenter.commands.shared_options import (
    DATA_HELP,
    CpuOption,
    GroupOption,
    JsonOption,
    OthersOption,
    OutsideOption,
    parsed_groups,
)


def print_schema(asked: bool) -> None:
    if asked:
        from diffusers_attnmask.ground.options import json_schema
        from train_segmenter.training.options import TrainingRecipe

        typer.echo(json.dumps(json_schema(TrainingRecipe), indent=2))
        raise typer.Exit


def train(
    data: Annotated[list[str], typer.Option(help=f"{DATA_HELP}; repeated: a mixture")],
    out: Annotated[Path, typer.Option(help="folder of the model, its checkpoints and curves")],
    model: Annotated[
        str | None,
        typer.Option(
            help="smp:ARCHITECTURE:ENCODER, mask2former:BACKBONE, seg-diffusion:CHECKPOINT (without "
            "one, from the bundled model), or a trained model to go on from [default: smp:unet:resnet18]"
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="YAML recipe whose settings the options below override")
    ] = None,
    model_option: Annotated[
        list[str] | None,
        typer.Option(help="of the model, over the recipe's, as encoding=levels; may be repeated"),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="optimiser steps [default: 20000]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="pairs in a forward pass [default: 16]")] = None,
    accumulate: Annotated[int | None, typer.Option(help="forward passes in a step [default: 1]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="of AdamW [default: 0.0005]")] = None,
    schedule: Annotated[str | None, typer.Option(help="poly or cosine [default: poly]")] = None,
    loss: Annotated[
        str | None, typer.Option(help="ce, dice, focal or sums such as ce+0.5*dice [default: ce]")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16 or fp16 [default: fp32]")] = None,
    ema: Annotated[
        float | None, typer.Option(help="decay of the averaged weights, 0 for none [default: 0.999]")
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="side of training crops [default: 512 or the images' side]")
    ] = None,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment", help="splice, warp, occlude and blur pairs as attnmask augment does, storing none"
        ),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="of order, augmentation and weights [default: 0]")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that read data [default: 0]")] = None,
    evaluate_every: Annotated[
        int | None, typer.Option(help="steps between validations [default: 1000]")
    ] = None,
    save_every: Annotated[int | None, typer.Option(help="steps between checkpoints [default: 1000]")] = None,
    log_every: Annotated[
        int | None, typer.Option(help="steps between points of the curves [default: 10]")
    ] = None,
    tracker: Annotated[list[str] | None, typer.Option(help="jsonl or tensorboard; may be repeated")] = None,
    validation: Annotated[
        str | None, typer.Option(help="data whose best mean IoU decides what is kept")
    ] = None,
    weight: Annotated[
        list[float] | None, typer.Option(help="of each --data in the mixture [default: 1]")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="names by id, as background,dog,cat [default: the data's]")
    ] = None,
    others: OthersOption = "error",
    group: GroupOption = None,
    pretrained: Annotated[str, typer.Option(help="weights: auto (when reachable), require or none")] = "auto",
    self_training: Annotated[
        bool,
        typer.Option("--self-training", help="train a second model on the first one's labels of the data"),
    ] = False,
    confidence: Annotated[
        float, typer.Option(help="of self-training labels; less sure pixels are ignored")
    ] = 0.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on from the newest checkpoint in --out")
    ] = False,
    allow_outside: OutsideOption = False,
    check: Annotated[bool, typer.Option(help="read all pairs first and name the faulty ones")] = True,
    export: Annotated[str | None, typer.Option(help="also write the model as pt2 or onnx")] = None,
    cpu: CpuOption = False,
    as_json: JsonOption = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            callback=print_schema,
            is_eager=True,
            help="print the JSON schema of recipes, and exit",
        ),
    ] = False,
) -> None:
    """Train a segmenter on generated or real pairs."""
    from diffusers_attnmask.ground.options import as_flags
    from train_segmenter.training.run import TrainRun, train_model

    with as_flags({"weights": "--weight", "trackers": "--tracker", "groups": "--group"}):
        run = TrainRun(
            recipe=recipe,
            model=model,
            model_options=by_name(
                (parsed_option(word, "--model-option") for word in model_option or ()), "--model-option"
            ),
            changes=given(
                steps=steps,
                batch_size=batch_size,
                accumulate=accumulate,
                learning_rate=learning_rate,
                schedule=schedule,
                loss=loss,
                precision=precision,
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
            classes=None if classes is None else parsed_names(classes),
            others=choice(others),
            groups=parsed_groups(group),
            pretrained=choice(pretrained),
            self_training=self_training,
            confidence=confidence,
            resume=resume,
            allow_outside=allow_outside,
            check=check,
            export=choice(export),
            cpu=cpu,
        )
    trained = train_model(data, out, run, progress=not as_json)
    if trained is None:  # another process tells
        return
    score = trained.report.mean_iou if trained.report else None
    if as_json:
        typer.echo(json.dumps({"model": str(out), "steps": trained.options.steps, "mean_iou": score}))
    else:
        typer.echo(f"trained {out}" + (f": mean IoU {score:.4f}" if score else ""))
