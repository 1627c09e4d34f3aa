"""`attnmask_config.json`: the mask method and options that suit a model best, kept beside its weights."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.families import Family
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.options import options, read_options
from diffusers_attnmask.methods import METHODS, MaskMethod, make_method

FILE_NAME = "attnmask_config.json"


@options
class ModelSettings:
    """The default method of a model and, per method, the options that differ from the published ones.

    method: none for the one that suits the model's family best.
    """

    method: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method is not None:
            make_method(self.method)
        for name, own in self.options.items():
            make_method(name, own)

    def resolve(
        self, method: str | MaskMethod | None, family: Family, options: Mapping[str, Any] | None = None
    ) -> MaskMethod:
        """A method by name with the model's options and the caller's on top; an object is taken as it is."""
        if isinstance(method, MaskMethod):
            if options:
                raise ValueError(
                    f"mask_options {dict(options)} go with a method's name; set them in {method}"
                )
            return method
        if method is not None and not isinstance(method, str):
            raise TypeError(f"mask_method must be a name or a method such as DiffuMask(), not {method!r}")
        name = method or self.default(family)
        defaults = {**family.defaults.get(name, {}), **self.options.get(name, {})}
        return make_method(name, options, defaults)

    def default(self, family: Family) -> str:
        """The method's name where none is asked for."""
        return self.method or family.default_method

    def resolve_all(self, family: Family, sites: Sequence[Site]) -> tuple[MaskMethod, ...]:
        """Every method that a model's sites allow, the model's own default first."""
        names = dict.fromkeys((self.default(family), *METHODS))
        methods = [self.resolve(name, family) for name in names]
        return tuple(method for method in methods if method.unfit(sites) is None)


def read_settings(file: Path) -> ModelSettings:
    """Settings from JSON, with every mistake in one line that names the file."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return read_options(ModelSettings, content, "it")
    except (ValueError, UnicodeDecodeError) as mistake:
        raise ValueError(f"{file} is not a valid {FILE_NAME}: {mistake}") from mistake


def write_settings(settings: ModelSettings, folder: Path) -> None:
    """Write the file in one piece."""
    own = {} if settings.method is None else {"method": settings.method}
    content = {**own, "options": {name: dict(own) for name, own in settings.options.items()}}
    write_text(folder / FILE_NAME, json.dumps(content, indent=2) + "\n")


def settings_for(pipe: Any) -> ModelSettings:
    """The settings that came with a loaded pipeline's model."""
    own = getattr(pipe, "mask_settings", None)
    return own if own is not None else settings_of(pipe.config.get("_name_or_path"))


def settings_of(name_or_path: str | os.PathLike | None, download: bool = False, **hub: Any) -> ModelSettings:
    """Settings of a model folder or repository; the published ones where it has none.

    Without `download`, a repository is looked up in the local cache alone.
    """
    file = _settings_file(name_or_path, download, hub)
    return read_settings(file) if file else ModelSettings()


def _settings_file(name_or_path: str | os.PathLike | None, download: bool, hub: dict) -> Path | None:
    if name_or_path is None:
        return None
    local = Path(name_or_path) / FILE_NAME
    if local.is_file() or Path(name_or_path).is_dir():
        return local if local.is_file() else None
    try:
        if download:
            return Path(hf_hub_download(str(name_or_path), FILE_NAME, **hub))
        cached = try_to_load_from_cache(str(name_or_path), FILE_NAME)
        return Path(cached) if isinstance(cached, str) else None
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError):  # it has no such file, or no Hub
        return None
