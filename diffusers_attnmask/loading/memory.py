"""Weights that nobody loads: counted from configurations, on torch's meta device, which holds no numbers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from diffusers_attnmask.ground.yaml_files import read_yaml
from diffusers_attnmask.loading.options import ModelOptions
from diffusers_attnmask.loading.source import ModelSource, find_model, pipeline_class

PUBLISHED = Path(__file__).with_name("published.yaml")
LATENT = ("unet", "transformer", "vae")  # networks on whose configuration the size of images depends
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


def planned_model(model: str | None, options: ModelOptions, revision: str | None = None) -> ModelSource:
    """As `find_model`, which asks the Hub; of architectures that are known here, no question is asked."""
    known = None if model is None or Path(model).exists() else published_models().get(model)
    if known is None:
        return find_model(model, options, revision)
    components: dict[str, Any] = known["components"]
    index = {name: entry[:2] for name, entry in components.items()} | {"_class_name": known["class"]}
    configs = {name: entry[2] for name, entry in components.items()}
    kind = pipeline_class(index, options, str(model))
    return ModelSource(str(model), str(model), index, kind, revision, configs)


@functools.cache
def published_models() -> Mapping[str, Any]:
    return read_yaml(PUBLISHED, "a list of architectures")["models"]


def without_weights(source: ModelSource) -> dict[str, nn.Module]:
    """Every network of a model, by its component's name."""
    found: dict[str, nn.Module] = {}
    for name, (library, class_name) in source.components.items():
        kind = component_class(library, class_name)
        if inspect.isclass(kind) and issubclass(kind, nn.Module):
            with torch.device("meta"):
                found[name] = network(kind, source.config_of(name))
    return found


def component_class(library: str, class_name: str) -> Any:
    """A class as model_index.json names it: of diffusers, of transformers, of a folder of pipelines."""
    import diffusers
    import transformers

    home = {"diffusers": diffusers, "transformers": transformers}.get(library)
    if home is None:
        home = getattr(diffusers.pipelines, library, None)
    return getattr(home, class_name, None)


def network(kind: Any, config: Mapping[str, Any]) -> nn.Module:
    if hasattr(kind, "config_class") and kind.config_class is not None:  # of transformers
        return kind(kind.config_class.from_dict(dict(config)))
    return kind.from_config(dict(config))


def parameters(networks: Mapping[str, nn.Module]) -> dict[str, int]:
    """How many weights each has, those that are shared counted once."""
    return {name: sum(own.numel() for own in part.parameters()) for name, part in networks.items()}


def native_size(source: ModelSource, networks: Mapping[str, nn.Module]) -> tuple[int, int]:
    """Height and width of the images that the model was made for."""
    from diffusers_attnmask.families import family_of

    kind: Any = source.kind
    parts = inspect.signature(kind.__init__).parameters
    given: dict[str, Any] = {
        name: networks.get(name) if name in LATENT else None for name in source.components if name in parts
    }
    for name, own in parts.items():
        if name != "self" and own.default is own.empty:
            given.setdefault(name, None)
    if "requires_safety_checker" in parts:
        given["requires_safety_checker"] = False
    side = family_of(kind).native_side(kind(**given))
    return side, side
