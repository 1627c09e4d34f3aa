"""Our maps beside those of public recorders: one process, one model, the same noise, in turns.

    pip install --target peers --no-deps daam && pip install --target peers spacy
    OMP_NUM_THREADS=1 python -m benchmarks.peers --peers peers --json peers.json

A generation is sampled plainly, with our recording, and with each peer's, each time until the class's map is
there. Images are compared with the plain one bit by bit, maps (stretched to [0, 1] at image size) with ours
of the same method. A peer that cannot be imported is left out, and named. OVAM's authors have released no
package that could be installed.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from diffusers import StableDiffusionPipeline
from torch import Tensor
from tqdm import tqdm

from benchmarks.report import JsonOption, report
from benchmarks.world.scenes import Scene, unseen_scenes
from diffusers_attnmask import bundled_model, trace
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


PEERS = (Peer("daam", daam, Daam()),)


@dataclass
class Measured:
    """What one recorder did on every scene so far."""

    seconds: list[float] = field(default_factory=list)
    image_differences: list[float] = field(default_factory=list)
    map_differences: list[float] = field(default_factory=list)

    def row(self, name: str, plain: Measured) -> dict[str, Any]:
        seconds = statistics.median(self.seconds)
        return {
            "recorder": name,
            "processor seconds": seconds,
            "× plain": seconds / statistics.median(plain.seconds),
            "images bitwise equal": f"{self.image_differences.count(0)} of {len(self.image_differences)}",
            "greatest image difference": max(self.image_differences),
            "greatest map difference": max(self.map_differences) if self.map_differences else None,
        }


def imported(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as reason:
        print(f"{package} is left out, since it cannot be imported: {reason}")
        return None


def main(
    prompts: Annotated[int, typer.Option(min=1, help="Generations of one object.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 10,
    peers: Annotated[Path | None, typer.Option(help="Folder of packages, as pip --target leaves it.")] = None,
    json: JsonOption = None,
) -> None:
    if peers is not None:
        sys.path.append(str(peers))  # after our own packages, of which peers ask for older ones
    pipe = StableDiffusionPipeline.from_pretrained(bundled_model())
    pipe.set_progress_bar_config(disable=True)
    found = {peer: package for peer in PEERS if (package := imported(peer.package)) is not None}
    measured: dict[str, Measured] = defaultdict(Measured)
    for scene in tqdm(unseen_scenes(1, prompts), "sampling"):
        compare(pipe, scene, steps, found, measured)
    rows = [own.row(name, measured["plain"]) for name, own in measured.items()]
    report("Recorders beside each other", rows, {"prompts": prompts, "steps": steps}, json)


def compare(
    pipe: StableDiffusionPipeline,
    scene: Scene,
    steps: int,
    peers: Mapping[Peer, Any],
    measured: dict[str, Measured],
) -> None:
    """One generation, plain and with every recorder."""

    def sample() -> np.ndarray:
        generator = torch.Generator().manual_seed(scene.seed)
        asked = {"num_inference_steps": steps, "generator": generator, "output_type": "np"}
        return pipe(scene.caption, **asked).images[0]

    plain = timed(measured["plain"], sample)
    measured["plain"].image_differences.append(greatest(sample() - plain))
    for peer, package in peers.items():
        own, other = measured[f"ours, {peer.method.name}"], measured[peer.package]
        image, expected = timed(own, partial(ours, peer.method, pipe, scene, sample))
        own.image_differences.append(greatest(image - plain))
        image, found = timed(other, partial(peer.recorder, package, pipe, scene, sample))
        other.image_differences.append(greatest(image - plain))
        other.map_differences.append(greatest((found - expected).numpy()))


def timed(measured: Measured, run: Callable[[], Any]) -> Any:
    started = time.process_time()  # of this process alone, whatever else the machine does
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what peers use and torch no longer likes
        result = run()
    measured.seconds.append(time.process_time() - started)
    return result


def greatest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max())


if __name__ == "__main__":
    typer.run(main)
