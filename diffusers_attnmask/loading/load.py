"""A pipeline with masks, loaded, placed and ready to be asked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from diffusers_attnmask.ground.device import DTYPES, device_called, precision_on
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model
from diffusers_attnmask.loading.compiling import compile_around_attention
from diffusers_attnmask.loading.fitting import check_fit
from diffusers_attnmask.loading.options import Lora, ModelOptions, Offload
from diffusers_attnmask.loading.source import ComponentSource, ModelSource, find_model
from diffusers_attnmask.masking.pipeline import masking_class


def load_pipeline(
    model: str | Path | None = None, options: ModelOptions | None = None, revision: str | None = None
) -> Any:
    """A model by its folder, repository or single file, by default the bundled one, as options say.

    It is of its family's own class, too. What the family does not know is refused before a weight is read.
    """
    options = options or ModelOptions()
    source = find_model(None if model is None else str(model), options, revision)
    found = check_fit(source, options)
    device = device_called(options.device)
    dtype = DTYPES[precision_on(options.dtype, device)]
    components = {name: loaded_component(part, dtype) for name, part in found.items()}
    if not options.safety_checker and "safety_checker" in source.components:
        components |= {"safety_checker": None, "requires_safety_checker": False}
    pipe = with_weights(source, options, dtype, components)
    if options.scheduler or options.scheduler_options:
        set_scheduler(pipe, options)
    add_loras(pipe, options.loras)
    if options.vae_tiling:
        pipe.vae.enable_tiling()
    if options.vae_slicing:
        pipe.vae.enable_slicing()
    place(pipe, options.offload, device)
    if options.compile:
        compile_around_attention(pipe)
    return pipe


def with_weights(
    source: ModelSource, options: ModelOptions, dtype: torch.dtype, components: dict[str, Any]
) -> Any:
    kind: Any = masking_class(source.kind)
    if source.single_file:
        return kind.from_single_file(source.address, config=source.configuration, dtype=dtype, **components)
    own: dict[str, Any] = {**source.hub, **components}
    if options.variant:
        own["variant"] = options.variant
    if options.quantization is not None:
        from diffusers import PipelineQuantizationConfig

        own["quantization_config"] = PipelineQuantizationConfig(**options.quantization)
    with within_reach(source.address, "model"):
        return kind.from_pretrained(source.address, dtype=dtype, **own)


def loaded_component(part: ComponentSource, dtype: torch.dtype) -> Any:
    from diffusers import AutoModel

    own = {"subfolder": part.subfolder} if part.subfolder else {}
    with within_reach(part.address, "model"), readable_model(part.address):
        return AutoModel.from_pretrained(part.address, dtype=dtype, **TENSORS_ALONE, **own)


def set_scheduler(pipe: Any, options: ModelOptions) -> None:
    import diffusers

    kind = getattr(diffusers, options.scheduler) if options.scheduler else type(pipe.scheduler)
    pipe.scheduler = kind.from_config(pipe.scheduler.config, **options.scheduler_options)


def add_loras(pipe: Any, loras: tuple[Lora, ...]) -> None:
    """Put LoRAs on a pipeline, each with its weight; one that fits no layer is an error."""
    names = [f"lora_{place}" for place in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        own = {"weight_name": lora.file} if lora.file else {}
        misfit = f"LoRA {lora.path} does not fit {type(pipe).__name__}: it was made for another model"
        try:
            with within_reach(lora.path, "LoRA"), _without_its_log():
                pipe.load_lora_weights(lora.path, adapter_name=name, **TENSORS_ALONE, **own)
        except (ValueError, RuntimeError) as reason:  # names or sizes of layers
            raise ValueError(misfit) from reason
        if name not in {known for adapters in pipe.get_list_adapters().values() for known in adapters}:
            raise ValueError(misfit)
    if names:
        pipe.set_adapters(names, [lora.weight for lora in loras])


@contextmanager
def _without_its_log() -> Iterator[None]:
    """PEFT's loader logs every layer that it misses, and warns of a second LoRA."""
    logger = logging.getLogger("diffusers.loaders.peft")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            yield
    finally:
        logger.disabled = before


def place(pipe: Any, offload: Offload, device: str) -> None:
    """Put a pipeline on a device, or let its weights come there when they are needed."""
    if offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    elif offload == "group":
        pipe.enable_group_offload(
            onload_device=torch.device(device), offload_type="leaf_level", use_stream=device == "cuda"
        )
    else:
        pipe.to(device)
