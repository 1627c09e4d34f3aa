"""`attnmask segment`: masks of a user's own pictures."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from diffusers_attnmask.ground.typed import choice
from diffusers_attnmask.loading import flags
from train_segmenter.commands.shared_options import (
    DeviceOption,
    EnsembleOption,
    FlipOption,
    JsonOption,
    PenaltyOption,
    ScalesOption,
    StepsOption,
    StrideOption,
    WindowOption,
    parsed_inference,
)


def segment(
    images: Annotated[
        list[str], typer.Argument(help="Pictures, folders or patterns such as 'photos/*.jpg'.")
    ],
    model: Annotated[
        str, typer.Option(help="A trained model: a folder or a Hub name, also as seg-diffusion:NAME.")
    ],
    out: Annotated[
        str,
        typer.Option(
            help="Folder for NAME_mask.png and NAME_overlay.png of each: new, empty, or of earlier ones."
        ),
    ] = "masks",
    window: WindowOption = None,
    stride: StrideOption = None,
    scales: ScalesOption = "1",
    flip: FlipOption = False,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            "-c",
            help="Of seg-diffusion: a class in any words. Repeatable. [default: those of training]",
        ),
    ] = None,
    denoising_steps: StepsOption = None,
    ensemble_size: EnsembleOption = None,
    processing_res: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Of seg-diffusion: longer side at which it looks, 0 for the own one. [default: of training]",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=0, help="Of seg-diffusion: samples at once. [default: 0, as many as fit]"),
    ] = None,
    background: Annotated[
        float | None, typer.Option(help="Of seg-diffusion: score that a class must exceed. [default: 0.5]")
    ] = None,
    seen_penalty: PenaltyOption = None,
    seed: Annotated[int | None, typer.Option(help="Of seg-diffusion's noise. [default: 0]")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Of seg-diffusion: fp32, fp16 or bf16. [default: fp32]")
    ] = None,
    device: DeviceOption = "auto",
    opacity: flags.Opacity = 0.4,
    palette: flags.Palette = "safe",
    as_json: JsonOption = False,
) -> None:
    """Write masks and overlays of your own pictures; seg-diffusion finds any words and shows its doubts."""
    from diffusers_attnmask.ground.drawing import Look
    from diffusers_attnmask.ground.options import as_flags
    from train_segmenter.segmenting.run import SegmentRun, segment_pictures

    with as_flags({"classes": "--class"}):
        run = SegmentRun(
            inference=parsed_inference(window, stride, scales, flip),
            classes=tuple(classes) if classes else None,
            denoising_steps=denoising_steps,
            ensemble_size=ensemble_size,
            processing_res=processing_res,
            batch_size=batch_size,
            background=background,
            seen_penalty=seen_penalty,
            seed=seed,
            dtype=choice(dtype),
            device=choice(device),
            look=Look(opacity, choice(palette)),
        )
    written = segment_pictures(images, model, out, run, progress=not as_json)
    if as_json:
        typer.echo(json.dumps([{kind: str(path) for kind, path in paths.items()} for paths in written]))
    else:
        typer.echo(f"{len(written)} masks and overlays in {out}")
