"""What a format must answer so that its pairs can be written by many, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dataset_builder.export.pair_set import NamedPair, PairSet
from diffusers_attnmask.ground.palette import Colour

Entries = Mapping[str, Callable[[], Iterator[Any]]]  # of the pairs of each split, in order, as often as asked


@dataclass(frozen=True)
class WrittenPair:
    """A pair's files by their paths below the folder, and what lists say of it, in plain values."""

    files: Mapping[str, bytes]
    entry: Any = None


class Writer(Protocol):
    """A format's side of an export. Making one refuses pairs that the format cannot hold."""

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None: ...

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        """What becomes of a pair, by its split and its number there, of which every process asks."""
        ...

    def finish(self, folder: Path, entries: Entries) -> Path:
        """Write what stands beside the files of all pairs. Returns the folder that readers take."""
        ...
