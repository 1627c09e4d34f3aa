"""What benchmarks that sample pictures share: their options, the pipeline, and its pictures as pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from diffusers_attnmask import DiffuMaskPipeline, bundled_model

StepsOption = Annotated[int, typer.Option(min=1, help="Denoising steps.")]
GuidanceOption = Annotated[float, typer.Option(help="Guidance scale.")]
BatchOption = Annotated[int, typer.Option(min=1, help="Pictures sampled at once.")]
ModelOption = Annotated[Path | None, typer.Option(help="Model folder; by default the bundled one.")]
SplitOption = Annotated[
    Literal["validation", "test"],
    typer.Option(help="Whose scenes: validation to choose settings by, test to judge."),
]
CallOption = Annotated[
    str, typer.Option(help='Further arguments of each call, as JSON: {"max_sequence_length": 1}.')
]


def call_arguments(text: str) -> dict[str, Any]:
    """What `CallOption` holds."""
    return json.loads(text)


def quiet_pipeline(model: Path | None = None, **options: Any) -> DiffuMaskPipeline:
    """The model of a folder, or the bundled one, without bars of its own."""
    pipe = DiffuMaskPipeline.from_pretrained(model or bundled_model(), **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pixels(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3) of a pipeline's images in [0, 1]."""
    return (images * 255).round().astype(np.uint8)
