"""`attnmask train`: a segmenter from generated or real pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_segmenter.commands.shared_options import (
    DATA_HELP,
    CpuOption,
    GroupOption,
    JsonOption,
    OthersOption,
    given,
    in_vocabulary,
    judged_source,
    names,
)

if TYPE_CHECKING:
    from train_segmenter.data import Source
    from train_segmenter.models import Segmenter
    from train_segmenter.training.options import TrainingRecipe


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
    check: Annotated[bool, typer.Option(help="read all pairs first and name the faulty ones")] = True,
    export: Annotated[str | None, typer.Option(help="also write the model as pt2 or onnx")] = None,
    cpu: CpuOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a segmenter on generated or real pairs."""
    from train_segmenter.augmentation.options import AugmentOptions
    from train_segmenter.card import Evaluation, write_card
    from train_segmenter.data import check_source
    from train_segmenter.export import export as write_export
    from train_segmenter.models.registry import is_seg_diffusion
    from train_segmenter.models.seg_diffusion.options import whole_images
    from train_segmenter.training.loop import train as run
    from train_segmenter.training.self_training import self_train

    settings = _settings(recipe, model, model_option)
    diffusion = is_seg_diffusion(settings.model)
    if diffusion and (loss or export):
        raise ValueError(
            "seg-diffusion learns by its own loss and has no export: leave --loss and --export out."
        )
    source = _training_source(data, weight, classes, others, group)
    typed = given(
        steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        schedule=schedule,
        loss=loss,
        precision=precision,
        ema=ema,
        augment=settings.training.augment or (AugmentOptions() if augment else None),
        seed=seed,
        workers=workers,
        evaluate_every=evaluate_every,
        save_every=save_every,
        log_every=log_every,
        trackers=tuple(tracker) if tracker else None,
    )
    options = replace(settings.training, **typed)
    if crop or not recipe:
        crop = crop or min(512, *source[0].mask.shape)
        options = replace(options, augmentation=replace(options.augmentation, crop=crop))
        if diffusion and not recipe:
            options = replace(options, augmentation=whole_images(crop, *source[0].mask.shape))
    judged = None
    if validation:
        judged = in_vocabulary(judged_source(validation), source.class_names, others, group)
    if check and not resume:
        for part in (source, judged):
            if part is not None:
                check_source(part, progress=not as_json)

    def new_model() -> Segmenter:
        return _model(settings, source.class_names, pretrained, options.seed)

    common = {"validation": judged, "resume": resume, "cpu": cpu, "progress": not as_json}
    if self_training:
        trained = self_train(new_model, source, options, out, confidence=confidence, **common)
    else:
        trained = run(new_model(), source, options, out, **common)
    if not _main_process():
        return
    if trained.report is not None:
        Evaluation(trained.report, validation).write(out)
    write_card(out, data=", ".join(data))
    if export:
        side = options.augmentation.crop or 512
        write_export(trained.model, out / f"model.{export}", side, side)
    score = trained.report.mean_iou if trained.report else None
    result = {"model": str(out), "steps": options.steps, "mean_iou": score}
    typer.echo(
        json.dumps(result) if as_json else f"trained {out}" + (f": mean IoU {score:.4f}" if score else "")
    )


def _settings(recipe: str | None, model: str | None, model_options: list[str] | None) -> TrainingRecipe:
    """The recipe, or the defaults, under what was typed."""
    from train_segmenter.training.options import TrainingRecipe, TrainOptions

    settings = TrainingRecipe(model or "smp:unet:resnet18", {}, TrainOptions())
    if recipe is not None:
        from recipes import find

        settings = TrainingRecipe.read(find(recipe))
    if model_options and Path(model or settings.model).exists():
        raise ValueError(
            f"{model or settings.model} keeps the options that it has: leave --model-option out."
        )
    options = {**settings.model_options, **dict(_model_option(word) for word in model_options or ())}
    return replace(settings, model=model or settings.model, model_options=options)


def _model_option(word: str) -> tuple[str, Any]:
    """A name and its value, which is read as YAML."""
    import yaml

    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"A model option is written as name=value, not {word!r}.")
    return name, yaml.safe_load(value)


def _training_source(
    data: list[str],
    weights: list[float] | None,
    classes: str | None,
    others: str,
    group: list[str] | None,
) -> Source:
    from train_segmenter.data import Mixture, open_source

    sources = [open_source(word) for word in data]
    class_names = names(classes) if classes else tuple(sources[0].class_names)
    sources = [in_vocabulary(source, class_names, others, group) for source in sources]
    if len(sources) == 1 and not weights:
        return sources[0]
    return Mixture(tuple(sources), tuple(weights or [1.0] * len(sources)))


def _model(settings: TrainingRecipe, classes: Sequence[str], pretrained: str, seed: int) -> Segmenter:
    import torch

    from train_segmenter.models import create, load

    torch.manual_seed(seed)
    if Path(settings.model).exists():
        return load(settings.model).for_classes(classes)
    return create(settings.model, tuple(classes), pretrained, **settings.model_options)


def _main_process() -> bool:
    from accelerate import PartialState

    return PartialState().is_main_process
