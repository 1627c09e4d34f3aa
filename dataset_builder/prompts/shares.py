"""How often a prompt names one thing, two, three: weights by number."""

from __future__ import annotations

from collections.abc import Mapping

ONE_OBJECT = {1: 1.0}


def some_objects(weights: Mapping[int, float]) -> Mapping[int, float]:
    if not sum(weights.values()):
        raise ValueError("give numbers of classes their weights, as {1: 0.7, 2: 0.3}; here all are 0")
    return weights
