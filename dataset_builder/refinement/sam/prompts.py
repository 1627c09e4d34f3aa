"""What SAM is asked about an object: its box, points on it and beside it, and its map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from dataset_builder.refinement.sam.objects import Objects
from dataset_builder.sam.options import SamOptions
from dataset_builder.sam.prompted import LOGIT, NONE, OFF, ON, Prompts
from diffusers_attnmask.ground.ids import BACKGROUND_ID

Point = tuple[int, int]  # row and column


def prompts_of(objects: Objects, labels: Tensor, maps: Tensor, options: SamOptions) -> Prompts:
    """Of objects in labels (H, W) with class maps (C, H, W)."""
    boxes, points, signs = [], [], []
    mask, strengths = labels.numpy(), maps.numpy()
    peaks = class_peaks(mask, strengths)
    for own, inside, evidence in zip(objects.classes, objects.inside, objects.evidence, strict=True):
        box = grown_box(inside.numpy(), options.margin)
        on = peaks_within(evidence.numpy(), inside.numpy(), options.points)
        others = nearest([peak for place, peak in peaks.items() if place != own], box, options.points)
        off = background_points(mask, strengths, box, options.points) + others
        empty = 3 * options.points - len(on) - len(off)
        boxes.append(box)
        points.append(on + off + [(0, 0)] * empty)
        signs.append([ON] * len(on) + [OFF] * len(off) + [NONE] * empty)
    return Prompts(
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(points, dtype=torch.float32).flip(-1),
        torch.tensor(signs),
        map_logits(objects),
    )


def map_logits(objects: Objects) -> Tensor:
    """Class maps as logits (N, H, W): positive inside their objects, negative outside, the stronger the surer
    the map is."""
    return torch.where(objects.inside, objects.weights, -objects.weights) * LOGIT


def grown_box(inside: np.ndarray, margin: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a mask (H, W), with a share of its sides around it, in the picture."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    down, right = margin * (rows[-1] - rows[0] + 1), margin * (columns[-1] - columns[0] + 1)
    return (
        max(columns[0] - right, 0.0),
        max(rows[0] - down, 0.0),
        min(columns[-1] + right, inside.shape[1] - 1.0),
        min(rows[-1] + down, inside.shape[0] - 1.0),
    )


def peaks_within(strength: np.ndarray, region: np.ndarray, count: int) -> list[Point]:
    """Up to `count` points of a region bool (H, W), the strongest first, well within it and apart.

    A point counts by its strength (H, W) times its depth, the distance to the region's edge. Discs around the
    points, together as large as the region, keep others away.
    """
    depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    score = strength * depth
    apart = np.sqrt(region.sum() / (np.pi * count))
    rows, columns = np.ogrid[: region.shape[0], : region.shape[1]]
    found: list[Point] = []
    for _ in range(count):
        row, column = divmod(int(score.argmax()), score.shape[1])
        if not score[row, column] > 0:
            break
        found.append((row, column))
        score = np.where(np.hypot(rows - row, columns - column) <= apart, 0, score)
    return found


def background_points(mask: np.ndarray, maps: np.ndarray, box: Sequence[float], count: int) -> list[Point]:
    """Points of a box that belong to no class, where all maps (C, H, W) are low: holes have theirs, too."""
    left, top, right, bottom = box
    region = np.zeros(mask.shape, bool)
    area = (slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1))
    region[area] = mask[area] == BACKGROUND_ID
    return peaks_within(1 - maps.max(0), region, count) if region.any() else []


def class_peaks(mask: np.ndarray, maps: np.ndarray) -> dict[int, Point]:
    """The strongest point of each class (by its place in maps) within its part of the mask."""
    found = {place: peaks_within(own, mask == place + 1, 1) for place, own in enumerate(maps)}
    return {place: points[0] for place, points in found.items() if points}


def nearest(points: Sequence[Point], box: Sequence[float], count: int) -> list[Point]:
    """Those nearest to the middle of a box."""
    column, row = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return sorted(points, key=lambda point: np.hypot(point[0] - row, point[1] - column))[:count]
