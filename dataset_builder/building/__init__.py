"""From a recipe to a folder of shards."""

from typing import Any

_HOME = {
    "DiffuMaskBuilder": "dataset_builder.building.builder",
    "EngineOptions": "dataset_builder.building.run",
    "build": "dataset_builder.building.run",
}
__all__ = ["DiffuMaskBuilder", "EngineOptions", "build"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
