"""Whole regions of a mask given to one class each, for pictures whose objects stand apart."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, label
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dataset_builder.refinement.components import PUBLISHED_AREA
from diffusers_attnmask.ground.ids import IGNORE_ID

STEP = 4.0  # pixels of a 512 x 512 image between the depths at which regions are looked for


def whole_regions(labels: Tensor, maps: Tensor, least_area: float) -> Tensor:
    """Labels (H, W), i+1 for class i of maps (C, H, W), with one class in each region of the foreground.

    Attention that spreads over objects of one colour makes the maps of their classes almost equal, and the
    larger of two almost equal maps is noise from pixel to pixel. What stays reliable is the object in which
    a class is strongest. So the foreground is taken apart into regions: its connected parts or, if there are
    fewer of them than classes, the parts that are left at the least depth inside the foreground at which
    there are enough. Every region gets the class whose map, relative to that class's strongest region, is
    highest there, and every class gets at least one. Other pixels go with the nearest region.

    `least_area` of a region is in pixels of a 512 x 512 image. Background and ignored pixels stay. A mask of
    one class, and one that does not come apart into as many regions as classes, stays as it is.
    """
    given, strength = labels.cpu().numpy(), maps.cpu().numpy()
    foreground = (given > 0) & (given != IGNORE_ID)
    regions = apart(foreground, len(strength), least_area) if len(strength) > 1 else None
    if regions is None:
        return labels
    classes = assigned(np.stack([strength[:, own].mean(1) for own in regions]))
    nearest = np.stack([distance_transform_edt(~own) for own in regions]).argmin(0)
    settled = np.where(foreground, classes[nearest] + 1, given).astype(given.dtype)
    return torch.from_numpy(settled).to(labels.device)


def apart(foreground: np.ndarray, count: int, least_area: float) -> list[np.ndarray] | None:
    """At least `count` regions, boolean (H, W) each, at the least depth that has them; None without one."""
    scale = np.sqrt(foreground.size / PUBLISHED_AREA)
    depth = distance_transform_edt(np.pad(foreground, 1))[1:-1, 1:-1]
    for level in np.arange(0, depth.max(), STEP * scale):
        parts, number = label(depth > level)
        sizes = np.bincount(parts.ravel(), minlength=number + 1)
        large = [own for own in range(1, number + 1) if sizes[own] >= least_area * scale**2]
        if len(large) >= count:
            return [parts == own for own in large]
    return None


def assigned(strengths: np.ndarray) -> np.ndarray:
    """The class of each region, by its mean strengths (regions, classes): the greatest sum of strengths, each
    relative to the class's greatest, in which no class is left without a region."""
    relative = strengths / np.maximum(strengths.max(0), 1e-6)
    classes = relative.argmax(1)
    loss = relative.max(1, keepdims=True) - relative  # of a region that goes to another class than its own
    regions, owners = linear_sum_assignment(loss)
    classes[regions] = owners
    return classes
