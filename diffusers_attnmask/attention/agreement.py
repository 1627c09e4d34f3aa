"""How far heads agree with their layer, and layers with what they see, as `goca` weighs them.

Of every site only small maps are kept: text columns that are summed over heads already, and who looks at whom
among 8 × 8 cells of the image, in which sites of any resolution compare.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from accelerate.utils import align_module_device
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.readings import Reading
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.token_query import QueryBatch

CELLS = 8  # to a side
SMALLEST = 1e-6  # of what is divided by


def head_weights(outputs: Tensor, projection: Tensor) -> Tensor:
    """⟨output of a head, output of the layer⟩ at every place, as shares of their sum: (n, heads, Q), float32.

    outputs: (n, heads, Q, d) before the output projection (D, heads · d), through which they sum to the
    layer's output. A head that works against the others has a negative weight.
    """
    joined = outputs.transpose(1, 2).flatten(2)  # (n, Q, heads · d)
    layer = F.normalize(F.linear(joined, projection).float(), dim=-1).to(joined)  # its length cancels out
    products = (layer @ projection) * joined  # ⟨W v, y⟩ = ⟨v, Wᵀ y⟩, without the heads' outputs of D numbers
    own = products.unflatten(-1, (outputs.shape[1], -1)).float().sum(-1).mT
    return own / own.sum(1, keepdim=True).clamp(min=SMALLEST)


def projection_of(look: Look) -> Tensor:
    """The columns of a site's output projection that take its heads: (D, heads · d).

    What adapters add to it is left out: it would have to be run for every head.
    """
    module = look.site.projection
    assert module is not None
    width = look.query.shape[1] * look.output.shape[3]
    with align_module_device(module, look.query.device):  # it may be offloaded until it is needed itself
        weight = module.weight
        assert isinstance(weight, Tensor)
        return weight[:, :width].detach().to(look.output)


def cell_features(outputs: Tensor, grid: tuple[int, int]) -> Tensor:
    """Outputs (n, heads, Q, d) of a grid's places, averaged over cells: (n, cells, heads · d), float32."""
    _, cells = cells_over(grid, outputs.device)
    return (cells / cells.sum(0)).mT @ outputs.float().transpose(1, 2).flatten(2)


def affinity(features: Tensor) -> Tensor:
    """Who looks like whom, as attention would say it: (n, cells, cells), rows that sum to 1.

    Cosine similarity of features (n, cells, D) around their mean; what is unlike gets nothing.
    """
    normalised = F.normalize(features - features.mean(1, keepdim=True), dim=-1)
    similar = (normalised @ normalised.mT).clamp(min=0)
    return similar / similar.sum(-1, keepdim=True).clamp(min=SMALLEST)


def shares(length: int, cells: int, device: torch.device) -> Tensor:
    """What part of each of `length` places on a line lies in each of the line's cells: (length, cells)."""
    place = torch.arange(length, device=device)[:, None] / length
    cell = torch.arange(cells, device=device) / cells
    overlap = torch.minimum(place + 1 / length, cell + 1 / cells) - torch.maximum(place, cell)
    return overlap.clamp(min=0) * length


@functools.cache
def cells_over(grid: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """The place in the middle of each cell (cells,), row by row, and how places are shared out (N, cells)."""
    middles = [(2 * torch.arange(CELLS, device=device) + 1) * length // (2 * CELLS) for length in grid]
    rows, columns = (shares(length, CELLS, device) for length in grid)
    places = (middles[0][:, None] * grid[1] + middles[1]).flatten()
    return places, torch.kron(rows, columns)


@dataclass(frozen=True)
class AgreeingColumns(Reading):
    """Attention of the image to its prompt, heads weighted by their part in the output: (n, 1 + T, h, w).

    The first map is that of all content together, the others those of the classes' tokens. Where image and
    text are in one row, the output is that of the whole row.
    """

    def wants(self, site: Site) -> bool:
        return site.reads_text

    def key(self, site: Site) -> Hashable:
        return AgreeingColumns, site.name, self.steps

    def check(self, sites: Sequence[Site]) -> None:
        super().check(sites)
        for site in filter(self.covers, sites):
            weight = getattr(site.projection, "weight", None)
            if weight is None or weight.ndim != 2 or not weight.is_floating_point():
                raise ValueError(
                    f"heads are weighted by the output projection of {site.name}, whose weights are "
                    "quantized or absent: use mask_method='daam', for which all heads are alike"
                )

    def value(self, look: Look, queries: QueryBatch) -> Tensor:
        weights = head_weights(look.output, projection_of(look))
        return queries.content_columns(look, weights).unflatten(-1, look.grid)


@dataclass(frozen=True)
class CellTransitions(Reading):
    """Where the middles of cells look in the image, by cells, mean over heads: (n, cells, cells), by site."""

    kind: ClassVar[str] = "self"

    def wants(self, site: Site) -> bool:
        return site.reads_image

    def key(self, site: Site) -> Hashable:
        return CellTransitions, site.name, self.steps

    def value(self, look: Look, queries: QueryBatch) -> Tensor:
        places, cells = cells_over(look.grid, look.query.device)
        return look.rows_among_image(places) @ cells


@dataclass(frozen=True)
class OutputAffinity(Reading):
    """How alike the attention outputs of the image's cells are: (n, cells, cells), by site."""

    kind: ClassVar[str] = "self"

    def wants(self, site: Site) -> bool:
        return site.reads_image

    def key(self, site: Site) -> Hashable:
        return OutputAffinity, site.name, self.steps

    def value(self, look: Look, queries: QueryBatch) -> Tensor:
        return affinity(cell_features(look.output, look.grid))
