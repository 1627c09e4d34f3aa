"""The values of a pipeline's call that would go wrong silently, or end deep inside of diffusers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import fields
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from diffusers_attnmask.ground.options import Batch, Guidance, Share, Side, options

FORMER = ("callback", "callback_steps")  # which pipelines still take, and have no name for


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
    eta: Share | None = None
    num_images_per_prompt: Batch | None = None
    output_type: Literal["pil", "np", "pt", "latent"] | None = None


def check_call(arguments: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise where an argument of a call is out of its range or of another kind, or no prompt is given; or
    where it is not `known`, and a pipeline with arguments of any name would say nothing."""
    for name in set(arguments.get("kwargs", ())) - set(FORMER):
        near = get_close_matches(name, known, 1)
        raise TypeError(f"the call has no argument {name}" + (f": did you mean {near[0]}?" if near else ""))
    names = [field.name for field in fields(CallValues)]
    CallValues(**{name: arguments[name] for name in names if name in arguments})
    for name in ("prompt", "prompt_embeds"):
        given = arguments.get(name)
        if isinstance(given, Sized) and not isinstance(given, str) and len(given) == 0:
            raise ValueError(f"{name} is empty: give one at least")
    if (prompt := arguments.get("prompt")) is not None:
        check_texts(prompt)
    if (generator := arguments.get("generator")) is not None and not _all_are(torch.Generator, generator):
        raise TypeError(f"generator must be a torch.Generator or a list of them, not {generator!r}")


def check_texts(prompt: Any) -> None:
    if not _all_are(str, prompt):
        raise TypeError(f"prompt must be a text or a list of texts, not {prompt!r}")


def _all_are(kind: type, given: Any) -> bool:
    return all(isinstance(own, kind) for own in (given if isinstance(given, list | tuple) else [given]))
