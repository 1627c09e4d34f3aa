"""The objects of a mask: connected parts of one class, with what the class map says of every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import label
from torch import Tensor

from dataset_builder.refinement.components import EIGHT_NEIGHBOURS
from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID

AT_ONCE = 8  # objects whose masks are in memory


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects of a picture with class maps (C, H, W).

    classes: the place of each one's class, (N,). inside: bool (N, H, W). evidence: each one's class map
    relative to its highest value inside, at most 1, (N, H, W). weights: how sure the attention is that a
    pixel is rightly inside or outside, in [0, 1], (N, H, W).
    """

    classes: Tensor
    inside: Tensor
    evidence: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.classes)


def objects_of(labels: Tensor, maps: Tensor) -> Iterator[Objects]:
    """All objects of labels (H, W), i+1 for class i of maps (C, H, W), a few at a time.

    Outside of an object, what belongs to another one weighs wholly, and what is ignored nothing.
    """
    parts, classes = numbered_parts(labels.numpy())
    taken = (labels != BACKGROUND_ID) & (labels != IGNORE_ID)
    for start in range(0, len(classes), AT_ONCE):
        own = torch.from_numpy(classes[start : start + AT_ONCE])
        numbers = torch.arange(start + 1, start + len(own) + 1)
        inside = torch.from_numpy(parts) == numbers[:, None, None]
        peaks = (maps[own] * inside).amax((1, 2), keepdim=True).clamp(min=1e-6)
        evidence = (maps[own] / peaks).clamp(max=1)
        weights = torch.where(inside, evidence, 1 - evidence)
        weights = torch.where(taken & ~inside, 1.0, weights) * (labels != IGNORE_ID)
        yield Objects(own, inside, evidence, weights)


def numbered_parts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number from 1 on for each connected part of a class, int32 (H, W), and the places of the classes."""
    parts = np.zeros(labels.shape, np.int32)
    classes: list[int] = []
    for own in np.setdiff1d(labels, (BACKGROUND_ID, IGNORE_ID)):
        found, count = label(labels == own, EIGHT_NEIGHBOURS)
        parts[found > 0] = found[found > 0] + len(classes)
        classes += [int(own) - 1] * count
    return parts, np.array(classes, np.int64)
