"""The flags of models and pictures, the same in every command: `Annotated` types, and what was typed.

Only this and Typer is imported, so that help stays quick.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from diffusers_attnmask.ground.typed import by_name, given, parsed_option

Model = Annotated[
    str | None,
    typer.Option(help="Model folder, repository or .safetensors file; by default the bundled model."),
]
RecipeModel = Annotated[
    str | None, typer.Option("--model", help="Model folder, repository or file, in place of the recipe's.")
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of the repository.")]
Dtype = Annotated[
    str | None, typer.Option(help="auto, bf16, fp16 or fp32; auto is bf16 on a GPU that has it, else fp32.")
]
Device = Annotated[str | None, typer.Option(help="auto, cuda, mps or cpu.")]
Loras = Annotated[
    list[str] | None,
    typer.Option("--lora", help="LoRA: a file, folder or repository, =WEIGHT after it. Repeatable."),
]
Vae = Annotated[str | None, typer.Option(help="VAE in place of the model's: a folder or repository.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Scheduler of diffusers, such as DPMSolverMultistepScheduler.")
]
Offload = Annotated[
    str | None,
    typer.Option(help="What waits in the CPU's memory until needed: none, model, group or sequential."),
]
Method = Annotated[
    str | None, typer.Option(help="Mask method, such as diffumask or daam; by default the model's.")
]
RecipeMethod = Annotated[str | None, typer.Option("--method", help="Mask method, in place of the recipe's.")]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option("--method-option", help="An option of the method, as threshold=otsu. Repeatable."),
]
Steps = Annotated[int | None, typer.Option(help="Denoising steps, in place of the recipe's.")]
BatchSize = Annotated[int | None, typer.Option(help="Images drawn at once, in place of the recipe's.")]
Guidance = Annotated[float | None, typer.Option(help="Guidance scale; by default the pipeline's own.")]
Size = Annotated[
    str | None, typer.Option(help="Pixels: 512, or HEIGHTxWIDTH; by default the model's own size.")
]
ModelOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--model-option",
        help="Another option of loading or calling the model, as call.true_cfg_scale=4, controlnet=FOLDER "
        "or scheduler_options.use_karras_sigmas=true. Repeatable.",
    ),
]
Opacity = Annotated[float, typer.Option(help="Of the fill of overlays, from 0 to 1.")]
Palette = Annotated[
    str, typer.Option(help="Colours of masks: safe, which colour-blind eyes tell apart, or voc.")
]
UNFLAGGED = (
    *("variant", "config", "scheduler_options", "controlnet", "adapter", "quantization"),
    *("quantization.quant_backend", "quantization.components_to_quantize", "vae_tiling", "vae_slicing"),
    *("compile", "safety_checker", "call"),
)
FLAGS = {  # for `as_flags`
    "loras": "--lora",
    **{f"loras.{own}": "--lora" for own in ("path", "weight", "file")},
    "method_options": "--method-option",
    **{name: f"--model-option {name}" for name in UNFLAGGED},
}
OF_SAMPLING = {  # of a recipe's section of this name, and what it needs of another one, which has no flag
    f"sampling.{name}": flag
    for name, flag in {
        **{own: f"--{own.replace('_', '-')}" for own in ("steps", "guidance", "batch_size", "size", "dtype")},
        **{own: f"--{own}" for own in ("device", "vae", "scheduler", "offload")},
        **FLAGS,
    }.items()
} | {"prompts.conditions": "prompts.conditions of the recipe"}


def typed_model(
    *,
    loras: Sequence[str] | None = None,
    size: str | None = None,
    more: Sequence[str] | None = None,
    **rest: Any,
) -> dict[str, Any]:
    """The options that were typed, by name, as `ModelOptions` and `DrawingOptions` take them.

    >>> typed_model(dtype="fp16", size="512x768", more=["call.eta=0.5"], vae=None)
    {'call': {'eta': 0.5}, 'dtype': 'fp16', 'size': (512, 768)}
    """
    typed: dict[str, Any] = {}
    for text in more or ():
        name, value = parsed_option(text, "--model-option")
        section, _, inner = name.partition(".")
        if inner:
            typed.setdefault(section, {})[inner] = value
        else:
            typed[section] = value
    own = given(**rest, size=parsed_size(size) if size else None)
    if loras:
        from diffusers_attnmask.ground.options import OptionsError
        from diffusers_attnmask.loading.options import Lora

        try:
            own["loras"] = tuple(Lora(**parsed_lora(lora)) for lora in loras)
        except OptionsError as mistake:
            raise OptionsError([fault.under("loras") for fault in mistake.faults]) from mistake
    return {**typed, **own}


def typed_method_options(words: Sequence[str] | None) -> dict[str, Any]:
    """Options of a method as they were typed, each `name=value`."""
    return by_name((parsed_option(word, "--method-option") for word in words or ()), "--method-option")


def parsed_lora(text: str) -> dict[str, Any]:
    """`style.safetensors=0.8`: a path or repository and its weight.

    >>> parsed_lora("user/style=0.8"), parsed_lora("style.safetensors")
    ({'path': 'user/style', 'weight': 0.8}, {'path': 'style.safetensors'})
    """
    path, weighted, weight = text.rpartition("=")
    if not weighted:
        return {"path": text}
    try:
        return {"path": path, "weight": float(weight)}
    except ValueError:
        raise ValueError(f"--lora is written as PATH or PATH=WEIGHT, and {weight!r} is no weight") from None


def parsed_size(text: str) -> tuple[int, int]:
    """Height and width of `512` or `512x768`."""
    found = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text.strip())
    if not found:
        raise ValueError(f"--size is written as 512 or HEIGHTxWIDTH, not {text!r}")
    return int(found[1]), int(found[2] or found[1])
