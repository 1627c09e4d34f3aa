"""The values of a pipeline's call that would go wrong silently, or end deep inside of diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field

from diffusers_attnmask.ground.options import Batch, Guidance, Share, Side, options


@options(kw_only=True)
class CallValues:
    """Arguments that pipelines of all families call the same, in the ranges in which they have a meaning."""

    height: Side | None = None
    width: Side | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=10_000)] | None = None
    guidance_scale: Guidance | None = None
    true_cfg_scale: Guidance | None = None
    image_guidance_scale: Guidance | None = None
    strength: Share | None = None
    num_images_per_prompt: Batch | None = None
    output_type: Literal["pil", "np", "pt", "latent"] | None = None


def check_call(arguments: Mapping[str, Any]) -> None:
    """Raise where an argument of a call is out of its range, or a list of prompts is empty."""
    names = [field.name for field in fields(CallValues)]
    CallValues(**{name: arguments[name] for name in names if name in arguments})
    for name in ("prompt", "prompt_embeds"):
        given = arguments.get(name)
        if given is not None and not isinstance(given, str) and len(given) == 0:
            raise ValueError(f"{name} is empty: give one at least")
