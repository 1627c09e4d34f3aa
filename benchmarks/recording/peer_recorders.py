"""Recorders of other libraries beside ours, each as a function of one way to sample."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from diffusers import StableDiffusionPipeline
from torch import Tensor

from benchmarks.world.scenes import Scene
from diffusers_attnmask import trace
from diffusers_attnmask.methods import Daam, MaskMethod
from diffusers_attnmask.methods.maps import min_max, upscaled

Sampled = tuple[np.ndarray, Tensor]  # image float (H, W, 3), map (H, W) of the scene's class
Sample = Callable[[], np.ndarray]
Recorder = Callable[[Any, StableDiffusionPipeline, Scene, Sample], Sampled]  # of an imported package


def ours(method: MaskMethod, pipe: StableDiffusionPipeline, scene: Scene, sample: Sample) -> Sampled:
    with trace(pipe, classes=[list(scene.classes)], methods=[method]) as traced:
        image = sample()
    return image, traced.heatmaps_by(method)[0][0]


def daam(package: Any, pipe: StableDiffusionPipeline, scene: Scene, sample: Sample) -> Sampled:
    """The authors' package, told how many places and tokens the model has: it takes them for those of
    published models."""
    hooker = package.trace(pipe)
    hooker.latent_hw = pipe.unet.config.sample_size**2
    for layer in hooker.module[:-1]:  # the last one hears the pipeline
        layer.latent_hw, layer.context_size = hooker.latent_hw, pipe.tokenizer.model_max_length
    with hooker:
        image = sample()
        found = hooker.compute_global_heat_map().compute_word_heat_map(scene.classes[0]).heatmap
    return image, min_max(upscaled(found[None].float(), image.shape[:2]))[0]


@dataclass(frozen=True)
class Peer:
    """A package, what it does, and which of our methods does the same."""

    package: str
    recorder: Recorder
    method: MaskMethod

    def imported(self) -> Any:
        """The package, or None where it cannot be had."""
        try:
            return importlib.import_module(self.package)
        except ImportError as reason:
            print(f"{self.package} is left out, since it cannot be imported: {reason}")
            return None


PEERS = (Peer("daam", daam, Daam()),)
