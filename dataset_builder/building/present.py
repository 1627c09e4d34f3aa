"""A sampled picture without the classes of its prompt that are hardly in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataset_builder.building.candidates import Candidate
from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID


def with_present_classes(candidate: Candidate, least: float | None) -> Candidate:
    """The candidate with those of its classes, their maps and their ids that have this presence at least."""
    presence = candidate.sampled.presence
    if least is None or presence is None or (presence >= least).all():
        return candidate
    sampled, item = candidate.sampled, candidate.item
    kept = np.flatnonzero(presence >= least)
    table = np.full(256, BACKGROUND_ID, np.uint8)
    table[IGNORE_ID] = IGNORE_ID
    table[kept + 1] = np.arange(1, len(kept) + 1)
    return replace(
        candidate,
        item=replace(item, classes=tuple(item.classes[own] for own in kept)),
        sampled=replace(
            sampled,
            heatmaps=sampled.heatmaps[kept],
            mask=table[sampled.mask],
            refined=None if sampled.refined is None else table[sampled.refined],
            presence=presence[kept],
        ),
    )
