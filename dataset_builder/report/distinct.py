"""How many different things there are among any number of them, in memory that does not grow with that.

Adaptive sampling (Wegman's; P. Flajolet, "On adaptive sampling", Computing 43, 1990): as soon as more than
`MOST` digests would be held, only those stay that end in one more zero bit. Up to there the count is exact,
and beyond its standard error is 1.2 / sqrt(MOST), half a percent. What is held depends on the things alone,
not on their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

MOST = 1 << 16


@dataclass
class DistinctCount:
    """kept: the digests that end in at least so many (`level`) zero bits."""

    level: int = 0
    kept: set[int] = field(default_factory=set)

    def add(self, texts: Iterable[str]) -> None:
        self._keep(map(digest, texts))

    def merge(self, other: DistinctCount) -> None:
        """Count the things of another one, too."""
        if other.level > self.level:
            self._rise(other.level)
        self._keep(other.kept)

    def _keep(self, digests: Iterable[int]) -> None:
        self.kept.update(own for own in digests if not own % (1 << self.level))
        while len(self.kept) > MOST:
            self._rise(self.level + 1)

    def _rise(self, level: int) -> None:
        self.level = level
        self.kept = {own for own in self.kept if not own % (1 << level)}

    @property
    def exact(self) -> bool:
        return not self.level

    @property
    def count(self) -> int:
        return len(self.kept) << self.level


def digest(text: str) -> int:
    """64 bits, the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
