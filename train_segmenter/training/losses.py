"""Cross-entropy, Dice and focal loss over the pixels that are not ignored, alone or summed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID

FOCUS = 2.0  # gamma of Lin et al., "Focal loss for dense object detection" (ICCV 2017)
DICE_SMOOTH = 1.0
LARGEST_FACTOR = 1e6


def cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean over counted pixels. Logits (B, K, H, W), masks int64 (B, H, W)."""
    total = functional.cross_entropy(logits, masks, ignore_index=IGNORE_ID, reduction="sum")
    return total / _counted(masks)


def focal(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy weighted by (1 - p)^gamma, p the right class's probability; mean over counted pixels."""
    losses = functional.cross_entropy(logits, masks, ignore_index=IGNORE_ID, reduction="none")
    return ((1 - torch.exp(-losses)) ** FOCUS * losses).sum() / _counted(masks)


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - Dice coefficient over the batch, mean over the classes present in it."""
    counted = (masks != IGNORE_ID).unsqueeze(1)  # (B, 1, H, W)
    known = masks.masked_fill(masks == IGNORE_ID, BACKGROUND_ID)
    labels = torch.zeros_like(logits).scatter_(1, known.unsqueeze(1), counted.to(logits.dtype))
    probabilities = logits.softmax(dim=1) * counted
    overlap, total = ((x).sum(dim=(0, 2, 3)) for x in (probabilities * labels, probabilities + labels))
    coefficient = (2 * overlap + DICE_SMOOTH) / (total + DICE_SMOOTH)
    present = labels.sum(dim=(0, 2, 3)) > 0
    return ((1 - coefficient) * present).sum() / present.sum().clamp(min=1)


def _counted(masks: Tensor) -> Tensor:
    # a crop may be ignored wholly: its loss is then 0, not NaN
    return (masks != IGNORE_ID).sum().clamp(min=1)


TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"ce": cross_entropy, "dice": dice, "focal": focal}


@dataclass(frozen=True)
class Criterion:
    """A weighted sum of terms, from words such as "ce", "ce+dice" or "focal+0.5*dice"."""

    terms: tuple[tuple[str, float], ...]

    @classmethod
    def parse(cls, words: str) -> Criterion:
        terms = []
        for word in words.replace(" ", "").split("+"):
            factor, star, name = word.rpartition("*")
            if name not in TERMS:
                raise ValueError(f"Unknown loss {name!r} in {words!r}. Known: {', '.join(TERMS)}.")
            try:
                weight = float(factor) if star else 1.0
            except ValueError:
                weight = math.nan
            if not 0 < weight <= LARGEST_FACTOR:
                raise ValueError(
                    f"The factor {factor!r} in the loss {words!r} is no number above 0, up to "
                    f"{LARGEST_FACTOR:,.0f}."
                )
            terms.append((name, weight))
        return cls(tuple(terms))

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Scalar loss of logits (B, K, H, W) and masks int64 (B, H, W)."""
        logits = logits.float()
        terms = (factor * TERMS[name](logits, masks) for name, factor in self.terms)
        return sum(terms, start=logits.new_zeros(()))
