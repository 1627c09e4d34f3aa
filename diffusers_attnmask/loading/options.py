"""How a model is loaded and asked for pictures: one description for recipes, commands and Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field as Checked

from diffusers_attnmask.ground.options import (
    Device,
    Eights,
    Fault,
    Guidance,
    Name,
    OptionsError,
    Shorthand,
    options,
)

Precision = Literal["auto", "bf16", "fp16", "fp32"]
Offload = Literal["none", "model", "group", "sequential"]
TORCH_NAMES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


@options
class Lora:
    """Weights put on top of a model.

    path: a file, a folder or a repository. weight: how strongly it acts. file: which one, where there are
    several.
    """

    path: Name
    weight: Annotated[float, Checked(ge=-100, le=100)] = 1.0
    file: Name | None = None


def spelled_loras(value: Any) -> Any:
    """One or several, each a path or options."""
    entries = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [{"path": entry} if isinstance(entry, str) else entry for entry in entries]


def spelled_precision(value: Any) -> Any:
    """Torch's own names mean the same."""
    return TORCH_NAMES.get(value, value) if isinstance(value, str) else value


@options(kw_only=True)
class ModelOptions:
    """How a model is loaded, beside its name and revision.

    variant: of its weight files, as "fp16". config: for a model that is a single file, the folder or
    repository whose configuration and tokenizers it has, by default those of the published model that its
    weights fit. dtype: by default bf16 on a GPU that computes in it, else fp32. device: by default the GPU,
    where there is one. loras: weights put on top; one may stand there as its path alone. vae: another one, a
    folder or a repository. scheduler: the name of a class of diffusers. scheduler_options: of that one, or of
    the model's own. controlnet, adapter: a ControlNet or a T2I-Adapter, which every picture then needs a
    condition for. safety_checker: load the model's, where it has one. quantization: what diffusers'
    `PipelineQuantizationConfig` takes. offload: which weights wait in the CPU's memory: whole models, groups
    of layers, or every layer. vae_tiling, vae_slicing: decode in tiles, or image by image. compile: by
    `torch.compile`, all but attention, which is read; the first pictures take minutes.
    """

    variant: Name | None = None
    config: Name | None = None
    dtype: Annotated[Precision, Shorthand(spelled_precision, Precision)] = "auto"
    device: Device = "auto"
    loras: Annotated[tuple[Lora, ...], Shorthand(spelled_loras, str | Lora | list[str | Lora] | None)] = ()
    vae: Name | None = None
    scheduler: Name | None = None
    scheduler_options: Mapping[str, Any] = field(default_factory=dict)
    controlnet: Name | None = None
    adapter: Name | None = None
    quantization: Mapping[str, Any] | None = None
    offload: Offload = "none"
    vae_tiling: bool = False
    vae_slicing: bool = False
    compile: bool = False
    safety_checker: bool = True

    def __post_init__(self) -> None:
        if self.controlnet and self.adapter:
            told = " goes without a controlnet: diffusers has no pipeline with both"
            raise OptionsError([Fault("adapter", told)])

    def check_conditions(self, name: str, some: bool, every: bool) -> None:
        """Raise unless every prompt has a condition, the option of this name, or none has and none looks."""
        looks = self.controlnet or self.adapter
        if looks and not every:
            raise OptionsError([Fault(name, f" must give every prompt the picture that {looks} looks at")])
        if some and not looks:
            raise OptionsError(
                [Fault(name, " goes with a controlnet or an adapter, which looks at pictures")]
            )

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Whatever weights and configurations are named here, each with a name for it."""
        for name in ("config", "vae", "controlnet", "adapter"):
            if (address := getattr(self, name)) is not None:
                yield name, address
        for lora in self.loras:
            yield f"lora {lora.path}", lora.path


@options(kw_only=True)
class DrawingOptions(ModelOptions):
    """And how it is asked.

    guidance: by default the pipeline's own. size: (height, width), by default the model's own. call: other
    arguments of the pipeline's call, as {"true_cfg_scale": 4.0}.
    """

    guidance: Guidance | None = None
    size: tuple[Eights, Eights] | None = None
    call: Mapping[str, Any] = field(default_factory=dict)
