"""Image and mask datasets: prompts, sampling, refinement, noise learning, export."""

from importlib import import_module
from typing import Any

_HOME = {
    "DiffuMaskBuilder": "dataset_builder.building.builder",
    "dense_crf": "dataset_builder.refinement.crf",
    "random_walk": "dataset_builder.refinement.affinity.random_walk",
}
__all__ = ["DiffuMaskBuilder", "dense_crf", "random_walk"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
