"""The pairs of a stage, some at a time: what a worker is asked for at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PAIRS = 32  # so few that bars move and memory stays small, so many that handing them out costs nothing


@dataclass(frozen=True)
class Span:
    """Pairs of a split from one number up to another."""

    split: str
    start: int
    stop: int

    @property
    def numbers(self) -> range:
        return range(self.start, self.stop)

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"{self.split}-{self.start:08d}"


def spans(lengths: Mapping[str, int], size: int = PAIRS) -> Iterator[Span]:
    """All pairs of splits of these lengths, in their order.

    >>> [(span.start, span.stop) for span in spans({"train": 5}, 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    for split, length in lengths.items():
        for start in range(0, length, size):
            yield Span(split, start, min(start + size, length))
