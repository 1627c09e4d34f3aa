"""What a shard, or a dataset, holds in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from dataset_builder.building.candidates import Skipped

QUALITY_BINS = 10  # equal parts of [0, 1]
KEPT_EXAMPLES = 100  # skipped pairs that are listed by name


@dataclass
class Tally:
    """Counts of pairs, of those skipped per reason, of pairs per class, and of pairs per bin of quality."""

    pairs: int = 0
    retried: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    quality: list[int] = field(default_factory=lambda: [0] * QUALITY_BINS)
    examples: list[dict] = field(default_factory=list)

    @property
    def handled(self) -> int:
        """Pairs that are settled, either way."""
        return self.pairs + sum(self.skipped.values())

    def keep(self, classes: list[str], quality: float, retried: bool = False) -> None:
        self.pairs += 1
        self.retried += retried
        self.classes.update(classes)
        self.quality[min(int(quality * QUALITY_BINS), QUALITY_BINS - 1)] += 1

    def skip(self, skipped: Skipped) -> None:
        self.skipped[skipped.reason] += 1
        if len(self.examples) < KEPT_EXAMPLES:
            self.examples.append(asdict(skipped))

    def add(self, other: Tally) -> None:
        self.pairs += other.pairs
        self.retried += other.retried
        self.skipped.update(other.skipped)
        self.classes.update(other.classes)
        self.quality = [own + more for own, more in zip(self.quality, other.quality, strict=True)]
        self.examples = [*self.examples, *other.examples][:KEPT_EXAMPLES]

    def to_dict(self) -> dict:
        """Plain values, in an order that does not depend on which pair came first."""
        return asdict(self) | {
            "skipped": dict(sorted(self.skipped.items())),
            "classes": dict(sorted(self.classes.items())),
        }

    @classmethod
    def from_dict(cls, values: dict) -> Tally:
        return cls(**values | {"skipped": Counter(values["skipped"]), "classes": Counter(values["classes"])})
