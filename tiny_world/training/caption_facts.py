"""What a caption says, as yes or no: which classes, how many objects, and which class in which colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tiny_world.scene import CLASSES, COLOURS, SHARE

NUMBERS = tuple(SHARE)  # of objects in a scene: 1, 2, 3
COUNT = len(CLASSES) + len(NUMBERS) + len(CLASSES) * len(COLOURS)


@dataclass(frozen=True)
class CaptionFacts:
    """For N captions: said (N, COUNT), 1.0 for what is so; weight (N, COUNT), 0.0 for what was left open.

    Columns: the classes, then the numbers, then every class in every colour.
    """

    said: torch.Tensor
    weight: torch.Tensor

    def __getitem__(self, chosen: torch.Tensor | slice) -> CaptionFacts:
        return CaptionFacts(self.said[chosen], self.weight[chosen])

    @property
    def classes(self) -> torch.Tensor:
        return self.said[:, : len(CLASSES)]

    @property
    def number(self) -> torch.Tensor:
        """Of objects (N,)."""
        return self.classes.sum(1)


def read_facts(captions: Sequence[str]) -> CaptionFacts:
    """Every class weighs 1/C, a number half of that; the many pairs of class and colour weigh 1/2C."""
    said = torch.tensor([_said(caption) for caption in captions])
    weight = torch.full_like(said, 0.5 / len(CLASSES))
    weight[:, : len(CLASSES)] = 1 / len(CLASSES)
    pairs = slice(len(CLASSES) + len(NUMBERS), None)
    weight[:, pairs] *= said[:, pairs].any(1, keepdim=True)
    return CaptionFacts(said, weight)


def _said(caption: str) -> list[float]:
    classes = [name in caption for name in CLASSES]
    numbers = [sum(classes) == number for number in NUMBERS]
    pairs = [f"{colour} {name}" in caption for name in CLASSES for colour in COLOURS]
    return [float(fact) for fact in (*classes, *numbers, *pairs)]
