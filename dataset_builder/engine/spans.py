"""The pairs of a stage, some at a time: what a worker is asked for at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile

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
        yield from within(Span(split, 0, length), size)


def within(whole: Span, size: int = PAIRS) -> Iterator[Span]:
    """The parts of a span."""
    for start in range(whole.start, whole.stop, size):
        yield Span(whole.split, start, min(start + size, whole.stop))


def numbers_through(lengths: Mapping[str, int], span: Span) -> range:
    """The numbers of a span's pairs where splits of these lengths stand one after the other.

    >>> numbers_through({"train": 5, "test": 3}, Span("test", 1, 3))
    range(6, 8)
    """
    before = sum(lengths[split] for split in takewhile(lambda split: split != span.split, lengths))
    return range(before + span.start, before + span.stop)
