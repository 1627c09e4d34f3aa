"""Our maps beside those of public recorders: one process, one model, the same noise, in turns.

    pip install --target peers --no-deps daam && pip install --target peers spacy
    OMP_NUM_THREADS=1 python -m benchmarks.peers --peers peers --json peers.json

A generation is sampled plainly, with our recording, and with each peer's, each time until the class's map is
there. Images are compared with the plain one bit by bit, maps (stretched to [0, 1] at image size) with ours
of the same method. `MiB at the peak` is of the tensors that were made on the way, weighed apart from the
seconds. A peer that cannot be imported is left out, and named. OVAM's authors have released no package that
could be installed.
"""

from __future__ import annotations

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
from tqdm import tqdm

from benchmarks.recording.allocations import peak_allocated
from benchmarks.recording.peer_recorders import PEERS, Peer, ours
from benchmarks.report import JsonOption, Row, report
from benchmarks.world.sampling import StepsOption
from benchmarks.world.scenes import Scene, unseen_scenes
from diffusers_attnmask import bundled_model


@dataclass
class Measured:
    """What one recorder did on every scene so far."""

    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    image_differences: list[float] = field(default_factory=list)
    map_differences: list[float] = field(default_factory=list)

    def of(self, run: Callable[[], Any]) -> Any:
        """What a run gives, after it was timed and weighed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what peers use and torch no longer likes
            started = time.process_time()  # of this process alone, whatever else the machine does
            result = run()
            self.seconds.append(time.process_time() - started)
            self.peaks.append(peak_allocated(run))
        return result

    def row(self, name: str, plain: Measured) -> Row:
        seconds = statistics.median(self.seconds)
        return {
            "recorder": name,
            "processor seconds": seconds,
            "× plain": seconds / statistics.median(plain.seconds),
            "MiB at the peak": max(self.peaks) / 2**20,
            "images bitwise equal": f"{self.image_differences.count(0)} of {len(self.image_differences)}",
            "greatest image difference": max(self.image_differences),
            "greatest map difference": max(self.map_differences) if self.map_differences else None,
        }


def main(
    prompts: Annotated[int, typer.Option(min=1, help="Generations of one object.")] = 8,
    steps: StepsOption = 10,
    peers: Annotated[Path | None, typer.Option(help="Folder of packages, as pip --target leaves it.")] = None,
    json: JsonOption = None,
) -> None:
    if peers is not None:
        sys.path.append(str(peers))  # after our own packages, of which peers ask for older ones
    pipe = StableDiffusionPipeline.from_pretrained(bundled_model())
    pipe.set_progress_bar_config(disable=True)
    found = {peer: package for peer in PEERS if (package := peer.imported()) is not None}
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

    plain = measured["plain"].of(sample)
    measured["plain"].image_differences.append(greatest(sample() - plain))
    for peer, package in peers.items():
        own, other = measured[f"ours, {peer.method.name}"], measured[peer.package]
        image, expected = own.of(partial(ours, peer.method, pipe, scene, sample))
        own.image_differences.append(greatest(image - plain))
        image, found = other.of(partial(peer.recorder, package, pipe, scene, sample))
        other.image_differences.append(greatest(image - plain))
        other.map_differences.append(greatest((found - expected).numpy()))


def greatest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max())


if __name__ == "__main__":
    typer.run(main)
