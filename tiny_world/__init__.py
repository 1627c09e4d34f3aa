"""The tiny world: small rendered scenes with exact masks, and the training of the model that paints them."""

from typing import Any

from tiny_world.renderer import render, render_objects
from tiny_world.scene import CLASSES, SIZE

__all__ = ["CLASSES", "SIZE", "dataset", "render", "render_objects"]


def __getattr__(name: str) -> Any:
    if name == "dataset":  # needs the datasets library; rendering does not
        from tiny_world.rendered_pairs import dataset

        return dataset
    raise AttributeError(f"module 'tiny_world' has no attribute {name!r}")
