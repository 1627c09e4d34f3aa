"""Classes that are hardly in a picture: told, and left out of its mask where that is wanted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.utils import logging
from torch import Tensor

from diffusers_attnmask.methods import MaskMethod

logger = logging.get_logger(__name__)

RATHER_ABSENT = 0.5  # a presence below it
DropAbsent = bool | float | None  # None to warn, False to say nothing, True or a least presence to drop
TOLD = 3  # classes that a warning names


def least_presence(drop_absent: DropAbsent) -> float:
    """The presence that a class needs to be painted: 0 for all of them."""
    if drop_absent is None or isinstance(drop_absent, bool):
        return RATHER_ABSENT if drop_absent else 0.0
    if not isinstance(drop_absent, int | float) or not 0 <= drop_absent <= 1:
        raise ValueError(
            f"drop_absent is True, False or the least presence of a class, from 0 to 1, not {drop_absent!r}"
        )
    return float(drop_absent)


def mask_of_present(
    method: MaskMethod, heatmaps: Tensor, class_names: Sequence[str], presence: Tensor, least: float
) -> Tensor:
    """Ids (H, W) of the classes (C, H, W) that are there enough, as if the method had been asked for no
    others; each keeps its id."""
    kept = [index for index, own in enumerate(presence.tolist()) if own >= least]
    if len(kept) == len(heatmaps):
        return method.mask(heatmaps, class_names)
    if not kept:
        return torch.zeros(heatmaps.shape[1:], dtype=torch.uint8)
    ids = method.mask(heatmaps[kept], [class_names[0], *(class_names[index + 1] for index in kept)])
    table = torch.arange(256, dtype=torch.uint8)
    table[1 : len(kept) + 1] = torch.tensor(kept, dtype=torch.uint8) + 1
    return table[ids.long()]


def warn_of_absent(presence: Sequence[Tensor], class_names: Sequence[Sequence[str]]) -> None:
    """One line for all classes of a call that are rather absent from their pictures."""
    absent = [
        f"{name!r} in image {image} ({value:.2f})"
        for image, (own, names) in enumerate(zip(presence, class_names, strict=True))
        for name, value in zip(names[1:], own.tolist(), strict=True)
        if value < RATHER_ABSENT
    ]
    if absent:
        more = f" and {len(absent) - TOLD} more" if len(absent) > TOLD else ""
        logger.warning(
            f"Rather absent by their presence: {', '.join(absent[:TOLD])}{more}. Their masks may show "
            "something else: drop_absent=True (--drop-absent 0.5) leaves such classes out, False says nothing"
        )
