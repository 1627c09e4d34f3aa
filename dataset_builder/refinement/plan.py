"""What a refinement will do, before its hours: the dataset is opened, and nothing of it is written."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dataset_builder.refinement.affinity.network import AffinityNet
from dataset_builder.refinement.affinity.training import AffinityExample, train_affinity_net
from dataset_builder.refinement.class_thresholds import class_thresholds
from dataset_builder.refinement.dataset import ConfidentExamples, encoded_labels, refined_row
from dataset_builder.refinement.refine_mask import refine_options
from dataset_builder.refinement.run import NETWORK, RefineRun, RefineStage
from dataset_builder.sam.kinds import check_sam
from diffusers_attnmask.ground.amounts import hours_told, weights_told
from diffusers_attnmask.ground.device import best_device
from diffusers_attnmask.ground.threads import threads

PAIRS = 4  # that are refined
STEPS = 3  # of AffinityNet that are timed, after a first one


@dataclass(frozen=True)
class MeasuredRefinement:
    """Seconds to label a pair for AffinityNet, of one of its steps, and to refine a pair."""

    device: str
    label_seconds: float
    step_seconds: float
    row_seconds: float

    def hours(self, pairs: int, steps: int) -> float:
        seconds = pairs * (self.label_seconds + self.row_seconds) + steps * self.step_seconds
        return seconds / 3600


@dataclass(frozen=True)
class RefinePlan:
    """splits: pairs of each. steps and parameters: of AffinityNet, 0 where the method trains none."""

    splits: Mapping[str, int]
    method: str
    steps: int
    parameters: int
    measured: MeasuredRefinement | None

    @property
    def pairs(self) -> int:
        return sum(self.splits.values())

    @property
    def hours(self) -> float | None:
        """In one process on this machine."""
        return self.measured.hours(self.pairs, self.steps) if self.measured else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return {"pairs": self.pairs, **asdict(self), "hours": self.hours}

    def lines(self) -> list[str]:
        """The plan for a reader, a line for each thing."""
        network = f"AffinityNet of {weights_told(self.parameters)}, trained for {self.steps} steps"
        listed = ", ".join(f"{name} {count}" for name, count in self.splits.items())
        said = [f"{self.pairs} pairs ({listed}), refined by {self.method}"]
        said += [network] if self.steps else []
        timed, hours = self.measured, self.hours
        if timed is None or hours is None:
            return [*said, "hours: not measured; --measure refines a few pairs and throws them away"]
        step = f", a step {timed.step_seconds:.3g} s" if self.steps else ""
        pair = timed.label_seconds + timed.row_seconds
        return [
            *said,
            f"a pair takes {pair:.3g} s{step} on {timed.device}",
            f"this machine: {hours_told(hours)} by one process",
        ]


def plan_refinement(data: str | Path, run: RefineRun | None = None, *, measure: bool = False) -> RefinePlan:
    """Read what `refine_dataset` would begin with, and count. measure: refine a few pairs."""
    run = run or RefineRun()
    if run.model is not None:
        check_sam(run.model, run.sam)
    class_thresholds("", run.thresholds)  # refuses a table that cannot be read
    with TemporaryDirectory() as work:
        stage = RefineStage(str(data), run, Path(work) / NETWORK, progress=False)
        trains, pairs, training = run.method == "affinity", len(stage.pairs), run.training
        network = AffinityNet(run.net) if trains else None
        return RefinePlan(
            stage.opened.lengths,
            run.method,
            training.epochs * math.ceil(pairs / training.batch_size) if network else 0,
            sum(own.numel() for own in network.parameters()) if network else 0,
            measured_refinement(stage, network) if measure else None,
        )


def measured_refinement(stage: RefineStage, network: AffinityNet | None) -> MeasuredRefinement:
    """A few pairs from the first, on the device that a refinement takes."""
    numbers = range(min(PAIRS, len(stage.pairs)))
    label_seconds = step_seconds = 0.0
    with threads(1):
        if network is not None:
            options = replace(refine_options(stage.refinement), thresholds=stage.run.thresholds)
            began = time.perf_counter()
            labels = encoded_labels(stage.pairs, numbers, options)
            label_seconds = (time.perf_counter() - began) / len(numbers)
    if network is not None:
        examples = ConfidentExamples(stage.pairs, lambda _: labels)
        step_seconds = seconds_of_a_step(network, examples, len(numbers), stage)
        network.to(best_device())
    with threads(1):
        refined_row(stage.pairs, 0, stage.refinement, network)  # loads what is loaded once
        began = time.perf_counter()
        for number in numbers:
            refined_row(stage.pairs, number, stage.refinement, network)
        row_seconds = (time.perf_counter() - began) / len(numbers)
    return MeasuredRefinement(best_device(), label_seconds, step_seconds, row_seconds)


@dataclass(frozen=True)
class Repeated:
    """The first examples of many, again and again up to a number."""

    examples: ConfidentExamples
    first: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> AffinityExample:
        return self.examples[number % self.first]


def seconds_of_a_step(
    network: AffinityNet, examples: ConfidentExamples, first: int, stage: RefineStage
) -> float:
    """Of batches as large as in the training, however few pairs there are."""
    training, seconds = replace(stage.run.training, epochs=1), 0.0
    for steps in (1, STEPS):
        repeated = Repeated(examples, first, steps * training.batch_size)
        began = time.perf_counter()
        train_affinity_net(network, repeated, training, stage.network, progress=False)
        seconds = (time.perf_counter() - began) / steps
    return seconds
