"""What a training needs: memory and disk by its weights, and hours by a few steps that are thrown away."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from diffusers_attnmask.ground.amounts import bytes_told, hours_told, peak_told, weights_told
from train_segmenter.data.base import Source
from train_segmenter.data.split_parts import ChosenPairs
from train_segmenter.evaluation.inference import Inference
from train_segmenter.evaluation.judge import evaluate
from train_segmenter.models.base import Segmenter
from train_segmenter.training.loop import timed_steps
from train_segmenter.training.options import TrainOptions

STEPS = 3  # that are timed, after one in which kernels are loaded
JUDGED = 8  # pairs
WIDTH = 4  # bytes of a weight: networks are kept in fp32, whatever they compute in
NOT_MEASURED = "hours: not measured; --measure trains a few steps and throws them away"


@dataclass(frozen=True)
class Size:
    """How many weights a model has, and how many of them are trained."""

    parameters: int
    trained: int

    @classmethod
    def of(cls, model: Segmenter) -> Size:
        weights = list(model.parameters())
        return cls(
            sum(own.numel() for own in weights), sum(own.numel() for own in weights if own.requires_grad)
        )

    def memory(self, options: TrainOptions) -> int:
        """Bytes of weights, gradients, AdamW's two moments and the average; what a batch needs is more."""
        return WIDTH * (self.parameters * (2 if options.ema else 1) + 3 * self.trained)

    def disk(self, options: TrainOptions) -> int:
        """Bytes of the model and of two checkpoints, of which one takes the other's place."""
        checkpoint = self.parameters * (2 if options.ema else 1) + 2 * self.trained
        return WIDTH * (self.parameters + 2 * checkpoint)

    def to_dict(self, options: TrainOptions) -> dict[str, int]:
        """Plain values, as JSON takes them."""
        return {**asdict(self), "memory": self.memory(options), "disk": self.disk(options)}

    def lines(self, options: TrainOptions, models: int = 1) -> list[str]:
        """For a reader, of so many models in folders of their own."""
        trained = "" if self.trained == self.parameters else f", {self.trained / 1e6:,.1f} million trained"
        return [
            f"{weights_told(self.parameters)}{trained}; with gradients, moments and averages "
            f"{bytes_told(self.memory(options))} of memory, beside what a batch needs",
            f"disk: {bytes_told(models * self.disk(options))} at most, for models and checkpoints",
        ]


@dataclass(frozen=True)
class MeasuredTraining:
    """Seconds of a step and of a pair that is judged. peak_memory: bytes on the GPU, None without one."""

    device: str
    step_seconds: float
    judge_seconds: float
    peak_memory: int | None

    def hours(self, options: TrainOptions, judged: int) -> float:
        """Of a whole training, judged on so many pairs now and then."""
        validations = math.ceil(options.steps / options.evaluate_every)
        seconds = options.steps * self.step_seconds + validations * judged * self.judge_seconds
        return seconds / 3600

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return asdict(self)

    def lines(self, hours: float) -> list[str]:
        """For a reader, with the hours of all that is to be done."""
        return [
            f"a step takes {self.step_seconds:.3g} s on {self.device}{peak_told(self.peak_memory)}, a pair "
            f"that is judged {self.judge_seconds:.3g} s",
            f"this machine: {hours_told(hours)}",
        ]


def measured_training(
    model: Segmenter,
    source: Source,
    options: TrainOptions,
    inference: Inference | None = None,
    *,
    cpu: bool = False,
) -> MeasuredTraining:
    """Train a few steps, and judge a few pairs. The model is another one afterwards, and nothing is kept."""
    if torch.cuda.is_available() and not cpu:
        torch.cuda.reset_peak_memory_stats()
    options = replace(options, steps=max(options.steps, STEPS + 1))
    _, *seconds = timed_steps(model, source, options, STEPS + 1, cpu=cpu)
    device = next(model.parameters()).device
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    pairs = ChosenPairs(source, range(min(JUDGED, len(source))))
    began = time.perf_counter()
    evaluate(model, pairs, inference or Inference(), progress=False)
    judging = (time.perf_counter() - began) / len(pairs)
    name = f"cuda: {torch.cuda.get_device_name()}" if device.type == "cuda" else device.type
    return MeasuredTraining(name, sum(seconds) / len(seconds), judging, peak)
