"""The random walk that spreads class maps along an affinity (Ahn & Kwak 2018, section 3.3)."""

import math

import torch
from torch import Tensor

from dataset_builder.refinement.affinity.neighbourhood import MOST_RADIUS, affinity, both_ends, half_disc
from dataset_builder.refinement.weighted_sums import WeightedSums, row_starts

MOST_LOG2_STEPS = 16  # long before, a walk has come to rest
MOST_LINKS = 10**9  # of points and their neighbours: some 30 GiB


def random_walk(
    features: Tensor, maps: Tensor, *, radius: float = 5, beta: float = 16, log2_steps: int = 8
) -> Tensor:
    """Walk maps (C, h, w) for 2^log2_steps steps over the grid of features (D, h, w): (C, h, w).

    Both are floating tensors on one device; the maps may have any range, which the walk does not leave.

    A step replaces each value by a weighted mean over the points nearer than the radius, itself among them,
    with the weights exp(-mean |f_i - f_j|)^beta. The walk multiplies by this sparse matrix again and again:
    its dense power is never formed.
    """
    _check(features, maps, radius, beta, log2_steps)
    step = _transitions(features.float(), radius, beta)
    values = maps.float().flatten(1).T.contiguous()  # (h*w, C)
    for _ in range(2**log2_steps):
        values = step(values)
    return values.T.reshape(maps.shape)


def _transitions(features: Tensor, radius: float, beta: float) -> WeightedSums:
    """Affinities to the power beta, normalised over each point's neighbours: (h*w, h*w)."""
    number = torch.arange(features[0].numel(), device=features.device).view(features.shape[1:])
    rows, columns, weights = [number.flatten()], [number.flatten()], [torch.ones_like(features[0]).flatten()]
    for offset in half_disc(radius):
        near, far = (end.flatten() for end in both_ends(number, offset))
        weight = affinity(features, offset).pow(beta).flatten()
        rows += [near, far]
        columns += [far, near]
        weights += [weight, weight]
    row, order = torch.cat(rows).sort(stable=True)
    weight = torch.cat(weights)[order]
    sizes = torch.bincount(row)
    totals = torch.zeros(len(sizes), device=weight.device).index_add_(0, row, weight)
    return WeightedSums(torch.cat(columns)[order].to(torch.int32), weight / totals[row], row_starts(sizes))


def _check(features: Tensor, maps: Tensor, radius: float, beta: float, log2_steps: int) -> None:
    if not (isinstance(features, Tensor) and isinstance(maps, Tensor)):
        raise TypeError(
            f"features and maps are tensors, not {type(features).__name__}, {type(maps).__name__}"
        )
    if features.ndim != 3 or maps.ndim != 3 or features.shape[1:] != maps.shape[1:] or 0 in features.shape:
        raise ValueError(
            f"features {tuple(features.shape)} and maps {tuple(maps.shape)} must be (D, h, w) and (C, h, w) "
            "over one grid: pool or resize the maps to the features' grid first"
        )
    if not (features.isfinite().all() and maps.isfinite().all()):
        raise ValueError("features and maps must be finite: one of them holds NaN or infinity")
    if not 0 < radius <= MOST_RADIUS:
        raise ValueError(f"radius={radius}: it must be above 0 and at most {MOST_RADIUS} points of the grid")
    links = 2 * len(half_disc(radius)) * features[0].numel()
    if links > MOST_LINKS:
        raise ValueError(
            f"radius={radius} over {tuple(features.shape[1:])} points makes {links:,} links, of at most "
            f"{MOST_LINKS:,}: pool the features, or take a smaller radius"
        )
    if not 0 <= beta < math.inf:
        raise ValueError(f"beta={beta}: it must be a finite number, at least 0")
    if not 0 <= log2_steps <= MOST_LOG2_STEPS or log2_steps != int(log2_steps):
        raise ValueError(
            f"log2_steps={log2_steps}: it must be a whole number from 0 to {MOST_LOG2_STEPS}, which is "
            f"{2**MOST_LOG2_STEPS:,} steps"
        )
