"""What a model is, from its configuration alone: no weight is read here."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError

from diffusers_attnmask.bundled import BUNDLED_MODELS, BUNDLED_NAME
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.model_files import WEIGHTS, check_no_pickle, readable_model
from diffusers_attnmask.ground.options import Fault, OptionsError
from diffusers_attnmask.loading.options import ModelOptions
from diffusers_attnmask.masking.pipeline import index_of

CONFIG = "config.json"


@dataclass(frozen=True)
class ModelSource:
    """A model that is not loaded.

    address: its folder, repository or single file. configuration: the folder or repository with its
    configuration, which a single file does not hold. index: the content of its model_index.json. kind: the
    pipeline class that it is loaded as, with the ControlNet or adapter that is asked for. configs: of its
    components, where they are known beforehand.
    """

    address: str
    configuration: str
    index: Mapping[str, Any]
    kind: type
    revision: str | None = None
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def single_file(self) -> bool:
        return self.address != self.configuration

    @property
    def hub(self) -> dict[str, str]:
        """The revision, where there can be one."""
        return {"revision": self.revision} if self.revision and not Path(self.configuration).is_dir() else {}

    @property
    def components(self) -> dict[str, tuple[str, str]]:
        """Library and class of every component that the model has, by name."""
        return {
            name: (entry[0], entry[1])
            for name, entry in self.index.items()
            if isinstance(entry, list | tuple) and len(entry) == 2 and entry[0] and entry[1]
        }

    @cached_property
    def call(self) -> Mapping[str, inspect.Parameter]:
        """The parameters of the pipeline's call."""
        return inspect.signature(self.kind.__call__).parameters

    def config_of(self, component: str) -> Mapping[str, Any]:
        if component in self.configs:
            return self.configs[component]
        return read_config(self.configuration, f"{component}/{CONFIG}", "model", self.hub)


@dataclass(frozen=True)
class ComponentSource:
    """A component from elsewhere, as a VAE, which may lie in the folder of a pipeline that has one."""

    address: str
    subfolder: str | None
    config: Mapping[str, Any]

    @property
    def class_name(self) -> str:
        return str(self.config.get("_class_name"))


def find_model(model: str | None, options: ModelOptions, revision: str | None = None) -> ModelSource:
    """A model by its folder, its repository, or its single file; by default the bundled one."""
    name = BUNDLED_NAME if model is None else str(model)
    address = str(BUNDLED_MODELS[name]()) if name in BUNDLED_MODELS else name
    configuration = address
    check_no_pickle(address)
    if revision is not None and Path(address).exists():
        raise ValueError(
            f"--revision {revision} is of a repository, and {address} is on this machine: leave it out"
        )
    if address.endswith(WEIGHTS) and not Path(address).is_dir():
        address = local_file(address, revision)
        configuration, revision = options.config or published_like(address), None
    elif options.config is not None:
        told = f" {options.config} goes with a model that is a single file, and not with {address}"
        raise OptionsError([Fault("config", told)])
    index = index_of(configuration, {"revision": revision} if revision else {})
    return ModelSource(address, configuration, index, pipeline_class(index, options, address), revision)


def local_file(address: str, revision: str | None) -> str:
    """The path of `file.safetensors`, or of `user/name/file.safetensors` once it is fetched."""
    if Path(address).is_file():
        return address
    user, _, rest = address.partition("/")
    name, _, file = rest.partition("/")
    with within_reach(f"{user}/{name}" if file and user else address, "model"):
        return hf_hub_download(f"{user}/{name}", file, revision=revision)


def published_like(file: str) -> str:
    """The repository whose configuration fits the names and shapes of a file's weights."""
    import torch
    from diffusers.loaders.single_file_utils import fetch_diffusers_config
    from safetensors import safe_open

    with readable_model(file), safe_open(file, "pt") as weights:
        shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    weightless = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return fetch_diffusers_config(weightless)["pretrained_model_name_or_path"]


def read_config(address: str, file: str, kind: str, hub: Mapping[str, Any]) -> Mapping[str, Any]:
    """A JSON file of a folder or a repository."""
    with within_reach(address, kind):
        if Path(address).is_dir():
            path = Path(address) / file
            if not path.is_file():
                raise ValueError(f"{address} holds no {kind} of diffusers: there is no {file} in it")
        else:
            path = Path(hf_hub_download(address, file, **hub))
    return read_json(path)


def find_component(address: str, name: str) -> ComponentSource:
    """A component's configuration, at the address itself or in its subfolder of this name."""
    if Path(address).is_dir():
        within = not (Path(address) / CONFIG).is_file() and (Path(address) / name / CONFIG).is_file()
    else:
        try:
            return ComponentSource(address, None, read_config(address, CONFIG, name, {}))
        except FileNotFoundError as missing:
            if not isinstance(missing.__cause__, EntryNotFoundError):
                raise
            within = True
    subfolder = name if within else None
    file = f"{subfolder}/{CONFIG}" if subfolder else CONFIG
    return ComponentSource(address, subfolder, read_config(address, file, name, {}))


def pipeline_class(index: Mapping[str, Any], options: ModelOptions, address: str) -> type:
    """The class of the model, or its sister that takes a ControlNet or an adapter."""
    import diffusers

    from diffusers_attnmask.families import family_of

    name = index.get("_class_name")
    own = getattr(diffusers, name, None) if isinstance(name, str) else None
    if own is None:
        raise TypeError(f"{address} needs {name}, which diffusers does not have")
    family_of(own)
    for asked, word, component in (
        (options.controlnet, "ControlNet", "controlnet"),
        (options.adapter, "Adapter", "adapter"),
    ):
        if asked and component not in inspect.signature(own.__init__).parameters:
            sister = own.__name__.replace("Pipeline", f"{word}Pipeline")
            own = getattr(diffusers, sister, None)
            if own is None:
                raise TypeError(f"{component} {asked}: diffusers has no {sister}, which would take it")
            family_of(own)
    return own
