"""Learning-rate factors as functions of the step, so that a resumed training needs no scheduler state."""

from __future__ import annotations

import math

from train_segmenter.training.options import TrainOptions


def learning_rate_factor(step: int, options: TrainOptions) -> float:
    """Share of the learning rate at a step (from 0): linear warm-up, then poly or cosine decay to the end."""
    if step < options.warmup:
        return (step + 1) / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    if options.schedule == "poly":
        return (1 - progress) ** options.power
    return 0.5 * (1 + math.cos(math.pi * progress))
