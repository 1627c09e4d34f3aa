"""The arguments of a pipeline's call that options decide, in the names that the pipeline has for them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from diffusers_attnmask.families import check_supported
from diffusers_attnmask.ground.pictures import read_image
from diffusers_attnmask.loading.options import DrawingOptions


def call_arguments(
    pipe: Any, options: DrawingOptions, steps: int, conditions: Sequence[str | Path] = ()
) -> dict[str, Any]:
    """What a call is given beside prompts, classes and seeds.

    conditions: the files of the pictures that a ControlNet or an adapter looks at, one for each prompt.
    """
    arguments: dict[str, Any] = {"num_inference_steps": steps, **options.call}
    if options.guidance is not None:
        arguments["guidance_scale"] = options.guidance
    if options.size is not None:
        arguments["height"], arguments["width"] = options.size
    if conditions:
        size = options.size or (check_supported(pipe).native_side(pipe),) * 2
        pictures = [condition_picture(file, size) for file in conditions]
        arguments[condition_argument(pipe)] = pictures if len(pictures) > 1 else pictures[0]
    return arguments


def condition_argument(pipe: Any) -> str:
    return "control_image" if "control_image" in inspect.signature(pipe.__call__).parameters else "image"


def condition_picture(file: str | Path, size: tuple[int, int]) -> Image.Image:
    """A picture (RGB), stretched to (height, width) where it is not of this size."""
    height, width = size
    picture = Image.fromarray(read_image(Path(file)))
    fits = picture.size == (width, height)
    return picture if fits else picture.resize((width, height), Image.Resampling.LANCZOS)
