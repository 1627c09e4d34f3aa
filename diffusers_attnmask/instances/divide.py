"""From a mask to objects: connected parts, and within them normalised cuts of the self-attention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from scipy.ndimage import zoom
from torch import Tensor

from diffusers_attnmask.attention.readings import ImageTransitions
from diffusers_attnmask.attention.sites import Site, SiteChoice, image_levels
from diffusers_attnmask.ground.connected_parts import connected_parts, nearest, without_specks
from diffusers_attnmask.ground.instances import countable
from diffusers_attnmask.instances.cuts import taken_apart
from diffusers_attnmask.instances.options import PUBLISHED_AREA, InstanceOptions
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.methods.base import model_levels

USUAL_LEVEL = 1  # 32 of a 64x64 latent grid
Grid = tuple[int, int]  # its height and width
MOST_PLACES = 32  # to a side of the graph that is cut; finer grids are pooled


def reading_for(how: InstanceOptions, method: MaskMethod, sites: Sequence[Site]) -> ImageTransitions | None:
    """What is read of a model's self-attention, if any: what the method reads anyway, where it reads such."""
    if how.by == "components":
        return None
    own = [reading for reading in method.readings(sites) if isinstance(reading, ImageTransitions)]
    if own and how.self_level is None:
        return own[0]
    if not image_levels(sites):
        raise ValueError(
            "the model compares no place with another (linear attention), so that nothing tells objects that "
            "touch apart: use instances='components'"
        )
    asked = None if how.self_level is None else (how.self_level,)
    levels = model_levels(asked, (USUAL_LEVEL,), image_levels(sites), "self")
    return ImageTransitions(SiteChoice(levels), method.steps)


def divided(mask: np.ndarray, transitions: Tensor | None, grid: Grid, how: InstanceOptions) -> np.ndarray:
    """A number for each object in a mask (H, W), 0 the background: int32 (H, W).

    transitions: self-attention (N, N) between the places of a grid over the same image, where it counts.
    """
    least = how.least_area * mask.size / PUBLISHED_AREA
    parts = connected_parts(mask, countable(mask), least)
    if transitions is None:
        return parts
    matrix, grid = pooled(transitions, grid)
    links = neighbour_links(matrix, grid, how)
    numbers, found = np.zeros(mask.shape, np.int32), 0
    for part in np.unique(parts[parts > 0]):
        region = parts == part
        own = without_specks(cut_region(region, links, grid, how), least)
        numbers[region] = own[region] + found
        found = int(numbers.max())
    return numbers


def pooled(transitions: Tensor, grid: Grid) -> tuple[np.ndarray, Grid]:
    """Transitions (N, N) as float64 on a grid of at most MOST_PLACES to a side, and that grid."""
    matrix = transitions.float().cpu()
    coarse = min(grid[0], MOST_PLACES), min(grid[1], MOST_PLACES)
    for _ in range(2 * (coarse != grid)):  # over where each place looks, then over who looks at it
        matrix = F.adaptive_avg_pool2d(matrix.unflatten(1, grid)[:, None], coarse)[:, 0].flatten(1).mT
    return matrix.double().numpy(), coarse


def neighbour_links(matrix: np.ndarray, grid: Grid, how: InstanceOptions) -> np.ndarray:
    """Symmetric links (N, N) between the places of a grid: near ones that attend to each other."""
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    places = np.stack([(rows + 0.5) / grid[0], (columns + 0.5) / grid[1]])
    away = ((places[:, :, None] - places[:, None]) ** 2).sum(0)
    mutual = ((matrix + matrix.T) / 2) ** how.trust
    return mutual * np.exp(-away / (2 * how.reach**2))


def cut_region(region: np.ndarray, links: np.ndarray, grid: Grid, how: InstanceOptions) -> np.ndarray:
    """Numbers from 1 for the objects of a region, bool (H, W), cut on the grid: int (H, W), 0 outside."""
    covered = covered_places(region, grid)
    least = max(1, round(how.least_area / PUBLISHED_AREA * covered.size))
    groups = taken_apart(links[np.ix_(covered, covered)], how.most_cut, least)
    if not groups.any():
        return region.astype(int)
    numbers = np.zeros(len(covered), int)
    numbers[covered] = groups + 1
    everywhere = nearest(numbers.reshape(grid))
    shares = np.stack([enlarged(everywhere == own, region.shape) for own in range(1, groups.max() + 2)])
    return np.where(region, shares.argmax(0) + 1, 0)


def covered_places(region: np.ndarray, grid: Grid) -> np.ndarray:
    """The places of a grid that a region (H, W) covers by half at least, bool (N,)."""
    rows, columns = (np.arange(side) * cells // side for side, cells in zip(region.shape, grid, strict=True))
    cells = (rows[:, None] * grid[1] + columns).ravel()
    inside = np.bincount(cells, region.ravel(), minlength=grid[0] * grid[1])
    return inside >= 0.5 * np.bincount(cells, minlength=grid[0] * grid[1])


def enlarged(share: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A map of a grid at the image's size, linear in between."""
    factors = [side / cells for side, cells in zip(size, share.shape, strict=True)]
    return zoom(share.astype(np.float32), factors, order=1, mode="nearest", grid_mode=True)
