"""`attnmask segment`: masks of a user's own pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from train_segmenter.commands import shared_options as command_options
from train_segmenter.commands.shared_options import (
    CpuOption,
    EnsembleOption,
    FlipOption,
    JsonOption,
    PenaltyOption,
    ScalesOption,
    StepsOption,
    StrideOption,
    WindowOption,
)


def segment(
    images: Annotated[list[str], typer.Argument(help="pictures, folders or patterns such as 'photos/*.jpg'")],
    model: Annotated[
        str, typer.Option(help="a trained model: a folder or a Hub name, also as seg-diffusion:NAME")
    ],
    out: Annotated[Path, typer.Option(help="folder for the masks and overlays")] = Path("masks"),
    window: WindowOption = None,
    stride: StrideOption = None,
    scales: ScalesOption = "1",
    flip: FlipOption = False,
    classes: Annotated[
        str | None,
        typer.Option(help="of seg-diffusion: any words, as dog,traffic light [default: those of training]"),
    ] = None,
    denoising_steps: StepsOption = None,
    ensemble_size: EnsembleOption = None,
    processing_res: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="of seg-diffusion: longer side at which it looks, 0 for the own one [default: of training]",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=0, help="of seg-diffusion: samples at once [default: 0, as many as fit]")
    ] = None,
    background: Annotated[
        float | None, typer.Option(help="of seg-diffusion: score that a class must exceed [default: 0.5]")
    ] = None,
    seen_penalty: PenaltyOption = None,
    seed: Annotated[int | None, typer.Option(help="of seg-diffusion's noise [default: 0]")] = None,
    precision: Annotated[
        str | None, typer.Option(help="of seg-diffusion: fp32, fp16 or bf16 [default: fp32]")
    ] = None,
    cpu: CpuOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write masks and overlays of your own pictures; seg-diffusion finds any words and shows its doubts."""
    from tqdm import tqdm

    from train_segmenter.models.registry import is_seg_diffusion, model_folder
    from train_segmenter.segmenting.with_segmenter import find_images

    found = find_images(images)
    diffusion = command_options.given(
        classes=classes,
        denoising_steps=denoising_steps,
        ensemble_size=ensemble_size,
        processing_res=processing_res,
        batch_size=batch_size,
        background=background,
        seen_penalty=seen_penalty,
        seed=seed,
        precision=precision,
    )
    if is_seg_diffusion(str(model_folder(model))):
        if window or stride or flip or scales != "1":
            raise ValueError(
                "seg-diffusion takes no windows, scales or mirrored copies: see --ensemble-size."
            )
        written = _with_diffusion(model, found, out, command_options.device(cpu), diffusion)
    else:
        if diffusion:
            typed = ", ".join(f"--{name.replace('_', '-')}" for name in diffusion)
            raise ValueError(f"{model} is no seg-diffusion model: leave {typed} out.")
        inference = command_options.inference(window, stride, scales, flip)
        written = _with_segmenter(model, found, out, inference, cpu)
    rows = [
        {"image": str(image), **{kind: str(path) for kind, path in paths.items()}}
        for image, paths in zip(
            found, tqdm(written, total=len(found), desc="segmenting", disable=as_json), strict=True
        )
    ]
    typer.echo(json.dumps(rows) if as_json else f"{len(rows)} masks and overlays in {out}")


def _with_segmenter(
    model: str, images: Sequence[Path], out: Path, inference: Any, cpu: bool
) -> Iterator[dict[str, Path]]:
    from train_segmenter.segmenting.with_segmenter import segment as run

    segmenter = command_options.loaded(model, cpu)
    for mask, overlay in run(segmenter, images, out, inference):
        yield {"mask": mask, "overlay": overlay}


def _with_diffusion(
    model: str, images: Sequence[Path], out: Path, device: str, typed: dict[str, Any]
) -> Iterator[dict[str, Path]]:
    from diffusers_attnmask.seg_diffusion.sampling import MaskSampling
    from train_segmenter.segmenting.with_diffusion import load_pipeline
    from train_segmenter.segmenting.with_diffusion import segment as run

    words = command_options.names(typed.pop("classes", ""))
    pipe = load_pipeline(model, typed.pop("precision", "fp32"), device)
    seed = typed.pop("seed", 0)
    return run(pipe, images, out, words, MaskSampling(**typed), seed)
