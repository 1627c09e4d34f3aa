"""The objects of what a trace recorded, in the masks that were made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from diffusers_attnmask.attention.readings import ImageTransitions
from diffusers_attnmask.attention.record import ImageRecord, NotRecordedError
from diffusers_attnmask.attention.sites import grid_at
from diffusers_attnmask.ground.instances import Instances, countable, described, fitted
from diffusers_attnmask.instances.divide import divided, reading_for
from diffusers_attnmask.instances.options import InstanceOptions
from diffusers_attnmask.methods import MaskMethod

Resized = Callable[[Tensor], Tensor]  # maps (C, H, W) of what was sampled, as the picture shows it


def told_apart(
    records: Sequence[ImageRecord],
    method: MaskMethod,
    how: InstanceOptions,
    masks: Sequence[Tensor],
    heatmaps: Sequence[Tensor],
    back: Resized | None = None,
) -> list[Instances]:
    """The objects in the masks (H, W) and class maps (C, H, W) of every recorded image, by a method.

    back: how the pictures come from what was sampled, where it is more than its record knows of.
    """
    found = []
    for record, mask, maps in zip(records, masks, heatmaps, strict=True):
        reading = reading_for(how, method, record.sites)
        ids = mask.cpu().numpy()
        numbers = _numbers(record, reading, method, how, ids, back or record.cropped)
        found.append(described(numbers, ids, record.class_names, maps.cpu().numpy()))
    return found


def _numbers(
    record: ImageRecord,
    reading: ImageTransitions | None,
    method: MaskMethod,
    how: InstanceOptions,
    mask: np.ndarray,
    back: Resized,
) -> np.ndarray:
    """Numbers (H, W) of the objects in a mask (H, W); by its connected parts where nothing was recorded."""
    classes = countable(mask)
    if reading is None or not classes:
        return divided(mask, None, (0, 0), how)
    try:
        transitions = record.over_sites(reading)
    except NotRecordedError:
        return divided(mask, None, (0, 0), how)
    grid = grid_of(record, reading)
    if mask.shape == record.image_size and record.recorder.crop is None:
        return divided(mask, transitions, grid, how)
    sampled = method.mask(method.heatmaps(record).float().cpu(), record.class_names).numpy()
    numbers = brought_back(divided(sampled, transitions, grid, how), back)
    return fitted(numbers, brought_back(sampled, back), mask, classes)


def grid_of(record: ImageRecord, reading: ImageTransitions) -> tuple[int, int]:
    """Height and width of the places that a reading compares."""
    stride = next(site.stride for site in record.sites if reading.covers(site))
    return grid_at(grid_at(record.latent_size, stride), reading.pool)


def brought_back(ids: np.ndarray, back: Resized) -> np.ndarray:
    """Ids (H, W) of what was sampled as the picture shows them: at every pixel the one with most of it."""
    known = np.unique(ids)
    shares = back(torch.from_numpy(ids[None] == known[:, None, None]).float())
    return known[shares.argmax(0).numpy()]
