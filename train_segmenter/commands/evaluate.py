"""`attnmask eval`: a segmenter judged on real pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from train_segmenter.commands import shared_options as command_options
from train_segmenter.commands.shared_options import (
    DATA_HELP,
    CpuOption,
    EnsembleOption,
    FlipOption,
    GroupOption,
    JsonOption,
    OthersOption,
    PenaltyOption,
    ScalesOption,
    StepsOption,
    StrideOption,
    WindowOption,
)


def evaluate(
    model: Annotated[str, typer.Option(help="a trained model: a folder or a Hub name")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    out: Annotated[
        Path | None, typer.Option(help="folder for the JSON, the chart and the worst pictures")
    ] = None,
    window: WindowOption = None,
    stride: StrideOption = None,
    scales: ScalesOption = "1",
    flip: FlipOption = False,
    denoising_steps: StepsOption = None,
    ensemble_size: EnsembleOption = None,
    seen_penalty: PenaltyOption = None,
    boundary: Annotated[bool, typer.Option("--boundary", help="boundary IoU, too")] = False,
    open_vocabulary: Annotated[
        bool,
        typer.Option("--open-vocabulary", help="seen, unseen and harmonic mean; VOC's 15/5 split by default"),
    ] = False,
    unseen: Annotated[str | None, typer.Option(help="names of the unseen classes, as sofa,train")] = None,
    others: OthersOption = "error",
    group: GroupOption = None,
    worst: Annotated[int, typer.Option(help="number of worst pictures to write to --out")] = 8,
    batch_size: Annotated[int, typer.Option(help="images of equal size in a forward pass")] = 8,
    cpu: CpuOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge a segmenter on real pairs; a seg-diffusion model is asked for the data's own classes."""
    from train_segmenter.card import Evaluation
    from train_segmenter.evaluation import evaluate as judge
    from train_segmenter.evaluation.open_vocabulary import VOC_UNSEEN
    from train_segmenter.evaluation.pictures import class_chart, worst_pictures

    inference = command_options.inference(window, stride, scales, flip)
    segmenter = command_options.loaded(
        model,
        cpu,
        denoising_steps=denoising_steps,
        ensemble_size=ensemble_size,
        seen_penalty=seen_penalty,
    )
    source = command_options.judged_source(data)
    if segmenter.open_vocabulary and not group and others == "error":
        segmenter = segmenter.for_classes(source.class_names)
    source = command_options.in_vocabulary(source, segmenter.class_names, others, group)
    hidden = command_options.names(unseen) if unseen else VOC_UNSEEN if open_vocabulary else None
    report = judge(
        segmenter,
        source,
        inference,
        batch_size=batch_size,
        boundary=boundary,
        worst=worst if out else 0,
        unseen=hidden,
        progress=not as_json,
    )
    if out is not None:
        Evaluation(report, data).write(out)
        class_chart(report, out / "iou.png")
        worst_pictures(report, segmenter, source, inference, out / "worst")
    typer.echo(json.dumps({"data": data, **report.to_dict()}) if as_json else report.table())
