"""Gaussian filtering of high-dimensional features on the permutohedral lattice (Adams, Baek & Davis 2010)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dataset_builder.refinement.weighted_sums import WeightedSums, row_starts

# A box of lattice points is looked up in a table up to this many cells (int32: 128 MiB), and searched beyond.
TABLE_CELLS = 2**25
# Fractions are sorted as integers with the axis number in the low bits, so that ties keep the axes' order.
FRACTION_STEPS, AXIS_BITS = 2**27, 3


@dataclass(frozen=True)
class PermutohedralLattice:
    """Gaussian filter over all pairs of N features, for any number of channels any number of times."""

    splat: WeightedSums  # from N features to M lattice points
    blurs: list[WeightedSums]  # among the lattice points, along each of the d+1 axes
    slice: WeightedSums  # from M lattice points to N features

    @classmethod
    def build(cls, features: Tensor) -> "PermutohedralLattice":
        """The lattice of features (d, N), scaled so that the Gaussian's standard deviation is 1.

        It is normalised symmetrically: to filter is to multiply by D K D, where D = diag(K 1)^-1/2.
        """
        d = len(features)
        if d >= 2**AXIS_BITS:
            raise ValueError(f"a lattice of {d} dimensions: at most {2**AXIS_BITS - 1} are supported")
        keys, weights, axis_steps, cells = _enclosing_simplices(features)
        ordered, order = keys.flatten().sort(stable=True)
        points, corner, sizes = ordered.unique_consecutive(return_inverse=True, return_counts=True)
        corners = torch.empty_like(order, dtype=torch.int32)
        corners[order] = corner.to(torch.int32)
        blurs = _blurs(points, axis_steps, cells)

        weights = _normalised(weights, corners, blurs)
        every = torch.arange(0, corners.numel(), d + 1, dtype=torch.int32, device=corners.device)
        sources = torch.div(order.to(torch.int32), d + 1, rounding_mode="floor")
        splat = WeightedSums(sources, weights.flatten()[order], row_starts(sizes))
        return cls(splat, blurs, WeightedSums(corners, weights.flatten(), every))

    def filter(self, values: Tensor) -> Tensor:
        """Blur values (N, L), one column per channel: (N, L)."""
        points = self.splat(values)
        for blur in self.blurs:
            points = blur(points)
        return self.slice(points)


def _enclosing_simplices(features: Tensor) -> tuple[Tensor, Tensor, list[int], int]:
    """Where each feature (d, N) lies in the lattice.

    Returns keys and barycentric weights (N, d+1) of the corners of its simplex, the key's step along each of
    the d+1 axes, and the number of cells of the box that holds all keys and their neighbours.

    In the coordinates u_i = (e_i - e_d) / (d+1) of the elevated position e, the lattice is Z^d and its
    simplices are Kuhn's: from the floor of u, take the axes in falling order of their fraction. Its d+1
    directions are the d unit vectors and their sum.
    """
    d, count = features.shape
    u = _elevation(d).to(features) @ features  # (d, N)
    floor = u.floor()
    axes = torch.arange(d - 1, -1, -1, dtype=torch.int32, device=u.device)
    packed = ((u - floor) * FRACTION_STEPS).to(torch.int32).mul_(2**AXIS_BITS).add_(axes[:, None])
    packed = _sort_descending(packed)

    # Differences of neighbouring coordinates depend on few features each, so their box is small.
    floor[:-1] -= floor[1:].clone()
    low, high = floor.amin(1) - 2, floor.amax(1) + 2  # the corners reach 1 further, their neighbours 2
    extent = (high - low + 1).long().tolist()
    cells = math.prod(extent)
    if cells >= 2**62:
        raise ValueError("the kernel's standard deviations are too small for the image: use larger ones")
    dtype = torch.int32 if cells < 2**31 else torch.int64
    strides = torch.tensor([math.prod(extent[i + 1 :]) for i in range(d)], dtype=dtype, device=u.device)
    steps = strides.clone()
    steps[1:] -= strides[:-1]

    keys = torch.empty(d + 1, count, dtype=dtype, device=u.device)
    keys[0] = (floor - low[:, None]).to(dtype).mul_(strides[:, None]).sum(0, dtype=dtype)
    torch.index_select(
        steps.flip(0), 0, packed.bitwise_and(2**AXIS_BITS - 1).flatten(), out=keys[1:].view(-1)
    )
    for i in range(d):
        keys[i + 1] += keys[i]

    fractions = (packed >> AXIS_BITS).to(u.dtype) / FRACTION_STEPS  # (d, N), falling
    bounds = torch.cat([fractions.new_ones(1, count), fractions, fractions.new_zeros(1, count)])
    return keys.T, (bounds[:-1] - bounds[1:]).T.contiguous(), [*steps.tolist(), int(steps.sum())], cells


def _elevation(d: int) -> Tensor:
    """The matrix (d, d) from features to the coordinates u, float64 (Adams et al., section 3.1)."""
    deviation = math.sqrt(2 / 3) * (d + 1)  # of the lattice's blur
    elevated = torch.zeros(d + 1, d, dtype=torch.float64)
    for j in range(d):
        scale = deviation / math.sqrt((j + 1) * (j + 2))
        elevated[: j + 1, j] = scale
        elevated[j + 1, j] = -(j + 1) * scale
    return (elevated[:-1] - elevated[-1]) / (d + 1)


def _sort_descending(rows: Tensor) -> Tensor:
    """Sort each column of a few rows (odd-even transposition): much faster than `sort` along a short axis."""
    own = list(rows.unbind(0))
    for turn in range(len(own)):
        for i in range(turn % 2, len(own) - 1, 2):
            own[i], own[i + 1] = torch.maximum(own[i], own[i + 1]), torch.minimum(own[i], own[i + 1])
    return torch.stack(own)


def _blurs(points: Tensor, axis_steps: list[int], cells: int) -> list[WeightedSums]:
    """Weights 1/2, 1, 1/2 along each axis over those of the sorted points (M,) that exist."""
    find = _finder(points, cells)
    numbers = torch.arange(len(points), dtype=torch.int32, device=points.device)
    stencil = torch.tensor([0.5, 1.0, 0.5], device=points.device)
    blurs = []
    for step in axis_steps:
        columns = torch.stack([find(points - step), numbers, find(points + step)], dim=1)  # (M, 3), -1 = none
        exists = columns >= 0
        weights = stencil.expand_as(columns)[exists]
        blurs.append(WeightedSums(columns[exists], weights, row_starts(exists.sum(1))))
    return blurs


def _finder(points: Tensor, cells: int) -> Callable[[Tensor], Tensor]:
    """A look-up of keys in the sorted points: their number, or -1."""
    if cells <= TABLE_CELLS:
        table = torch.full((cells,), -1, dtype=torch.int32, device=points.device)
        table[points] = torch.arange(len(points), dtype=torch.int32, device=points.device)
        return lambda wanted: table[wanted]

    def search(wanted: Tensor) -> Tensor:
        place = torch.searchsorted(points, wanted, out_int32=True).clamp_(max=len(points) - 1)
        return place.where(points[place] == wanted, -1)

    return search


def _normalised(weights: Tensor, corners: Tensor, blurs: list[WeightedSums]) -> Tensor:
    """Scale each feature's weights (N, d+1) so that the filter is normalised symmetrically."""
    mass = torch.bincount(corners, weights.flatten()).to(weights.dtype)[:, None]  # splat of ones
    for blur in blurs:
        mass = blur(mass)
    mass = (mass[corners].view_as(weights) * weights).sum(1, keepdim=True)
    return weights * (mass + 1e-20).rsqrt()
