"""An exponential moving average of a model's weights."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class WeightAverage(Generic[Network]):
    """A second model whose weights keep `decay` of their value at an update and take the rest from the first.

    In the first steps less is kept, so that random weights are forgotten. What is not floating is copied.
    """

    def __init__(self, model: Network, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: Network) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = model.state_dict()
        floating: list[tuple[Tensor, Tensor]] = []
        others: list[tuple[Tensor, Tensor]] = []
        for name, value in self.model.state_dict().items():
            (floating if value.is_floating_point() else others).append((value, current[name]))
        # one kernel for many tensors, where a loop would start one for each
        torch._foreach_lerp_([own for own, _ in floating], [new for _, new in floating], 1 - decay)
        if others:
            torch._foreach_copy_([own for own, _ in others], [new for _, new in others])
