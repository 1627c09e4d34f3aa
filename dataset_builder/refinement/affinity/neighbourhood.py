"""The pairs of grid points that an affinity is defined for."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

Offset = tuple[int, int]
MOST_RADIUS = 64  # points of the grid: the neighbours grow with its square
Radius = Annotated[float, Field(gt=0, le=MOST_RADIUS)]


def half_disc(radius: float) -> list[Offset]:
    """Offsets (dy, dx) to neighbours nearer than the radius (Ahn & Kwak, eq. 5), one of two opposite ones."""
    reach = int(radius)
    return [
        (dy, dx)
        for dy in range(reach + 1)
        for dx in range(-reach, reach + 1)
        if (dy, dx) > (0, 0) and dy * dy + dx * dx < radius * radius
    ]


def both_ends(grid: Tensor, offset: Offset) -> tuple[Tensor, Tensor]:
    """Two views (..., h', w') of a grid (..., h, w): the points that have a neighbour there, and those."""
    dy, dx = offset
    height, width = grid.shape[-2:]
    left, right = max(0, -dx), max(0, dx)
    near = grid[..., : max(0, height - dy), left : max(left, width - right)]
    far = grid[..., dy:, right : max(right, width - left)]
    return near, far


def affinity(features: Tensor, offset: Offset) -> Tensor:
    """exp(-mean |f_i - f_j|) of features (..., D, h, w) over one offset: (..., h', w')."""
    near, far = both_ends(features, offset)
    return (near - far).abs().mean(-3).neg().exp()
