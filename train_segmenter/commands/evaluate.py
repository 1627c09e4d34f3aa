"""`attnmask eval`: a segmenter judged on real pairs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from diffusers_attnmask.ground.typed import choice
from train_segmenter.commands.shared_options import (
    DATA_HELP,
    DeviceOption,
    EnsembleOption,
    FlipOption,
    GroupOption,
    JsonOption,
    OthersOption,
    OutsideOption,
    PenaltyOption,
    ScalesOption,
    StepsOption,
    StrideOption,
    WindowOption,
    parsed_groups,
    parsed_inference,
)


def evaluate(
    model: Annotated[str, typer.Option(help="A trained model: a folder or a Hub name.")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[
        str | None, typer.Option(help="Folder for the JSON, the charts and the worst pictures.")
    ] = None,
    window: WindowOption = None,
    stride: StrideOption = None,
    scales: ScalesOption = "1",
    flip: FlipOption = False,
    denoising_steps: StepsOption = None,
    ensemble_size: EnsembleOption = None,
    seen_penalty: PenaltyOption = None,
    boundary: Annotated[bool, typer.Option("--boundary", help="Boundary IoU, too.")] = False,
    open_vocabulary: Annotated[
        bool,
        typer.Option(
            "--open-vocabulary", help="Seen, unseen and harmonic mean; VOC's 15/5 split by default."
        ),
    ] = False,
    unseen: Annotated[list[str] | None, typer.Option(help="An unseen class. Repeatable.")] = None,
    others: OthersOption = "error",
    group: GroupOption = None,
    allow_outside: OutsideOption = False,
    worst: Annotated[int, typer.Option(help="How many of the worst pictures are written to --out.")] = 8,
    batch_size: Annotated[int, typer.Option(help="Images of equal size in a forward pass.")] = 8,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Judge a segmenter on real pairs; a seg-diffusion model is asked for the data's own classes."""
    from diffusers_attnmask.ground.options import as_flags
    from train_segmenter.evaluation.run import EvaluateRun, evaluate_model

    with as_flags({"groups": "--group"}):
        run = EvaluateRun(
            inference=parsed_inference(window, stride, scales, flip),
            denoising_steps=denoising_steps,
            ensemble_size=ensemble_size,
            seen_penalty=seen_penalty,
            boundary=boundary,
            open_vocabulary=open_vocabulary,
            unseen=tuple(unseen) if unseen else None,
            others=choice(others),
            groups=parsed_groups(group),
            allow_outside=allow_outside,
            worst=worst,
            batch_size=batch_size,
            device=choice(device),
        )
    report = evaluate_model(model, data, run, out, progress=not as_json)
    typer.echo(json.dumps({"data": data, **report.to_dict()}) if as_json else report.table())
