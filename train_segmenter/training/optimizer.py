"""AdamW, with a learning rate of its own for what pretraining gave."""

from __future__ import annotations

import torch

from train_segmenter.models.base import Segmenter
from train_segmenter.training.options import TrainOptions


def new_optimizer(model: Segmenter, options: TrainOptions) -> torch.optim.AdamW:
    """Two groups at most, the backbone's first; `initial_lr` is the rate that the schedule is a share of."""
    backbone = {id(parameter) for parameter in model.backbone_parameters()}
    parts: tuple[list, list] = ([], [])
    for parameter in model.parameters():
        if parameter.requires_grad:
            parts[id(parameter) not in backbone].append(parameter)
    rates = (options.learning_rate * options.backbone_factor, options.learning_rate)
    groups = [
        {"params": part, "lr": rate, "initial_lr": rate} for part, rate in zip(parts, rates, strict=True)
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=options.weight_decay)
