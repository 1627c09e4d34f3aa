"""Where a model attends: every attention layer as a site, and how readings choose among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

Kind = Literal["cross", "self", "joint"]


@dataclass(frozen=True, eq=False)
class Site:
    """One attention layer.

    kind: "cross" compares the image with text, "self" with itself, "joint" with both in one row. depth: 0 for
    the first site of a model, 1 for the last. stride: cells of the latent grid per query and side; 2ˡ at
    level l of a UNet, the patch size of a transformer. tags: the part of the model it stands in, such as
    "down", "dual". block: the module around a joint site whose forward pass also carries the text on. timed:
    whether the text of a cross site is not the encoder's own, but one that blocks with the time made of it.
    joined: the projection of the heads' outputs, where the attention has none of its own.
    """

    name: str
    module: nn.Module
    kind: Kind
    depth: float
    stride: int
    tags: frozenset[str] = frozenset()
    block: nn.Module | None = None
    timed: bool = False
    joined: nn.Module | None = None

    @property
    def level(self) -> int:
        """How often the latent grid is halved here."""
        return self.stride.bit_length() - 1

    @property
    def projection(self) -> nn.Module | None:
        """Through which the heads' outputs sum to the layer's; what else it takes comes behind them."""
        own = getattr(self.module, "to_out", getattr(self.module, "out_layer", None))
        return self.joined if own is None else own[0] if isinstance(own, nn.ModuleList) else own

    @property
    def reads_text(self) -> bool:
        return self.kind != "self"

    @property
    def reads_words(self) -> bool:
        """Whether words beside the prompt can be compared here, by keys that are made of them alone."""
        return self.kind == "cross" and not self.timed

    @property
    def reads_image(self) -> bool:
        return self.kind != "cross"


@dataclass(frozen=True)
class SiteChoice:
    """Which sites to read: at some levels, with one of some tags, by name.

    None and an empty tuple leave a choice open. names are prefixes.
    """

    levels: tuple[int, ...] | None = None
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def covers(self, site: Site) -> bool:
        return (
            (self.levels is None or site.level in self.levels)
            and (not self.tags or not site.tags.isdisjoint(self.tags))
            and (not self.names or site.name.startswith(self.names))
        )

    def __str__(self) -> str:
        parts = {"layers": list(self.names), "places": list(self.tags), "levels": list(self.levels or ())}
        return ", ".join(f"{name}={value}" for name, value in parts.items())


def spread_depths(count: int) -> list[float]:
    """Depths of sites that follow one another, 0 the first and 1 the last."""
    return [index / max(count - 1, 1) for index in range(count)]


def text_levels(sites: Iterable[Site]) -> set[int]:
    """The levels at which the model looks at text."""
    return {site.level for site in sites if site.reads_text}


def image_levels(sites: Iterable[Site]) -> set[int]:
    """The levels at which the model compares the image with itself."""
    return {site.level for site in sites if site.reads_image}


def grid_at(latent_size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Height and width of a site's grid; a stride-2 convolution rounds up."""
    return -(-latent_size[0] // stride), -(-latent_size[1] // stride)


def listed(sites: Sequence[Site]) -> str:
    """Sites in an error: names with their levels, the first twelve."""
    names = [f"{site.name} (level {site.level})" for site in sites]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
