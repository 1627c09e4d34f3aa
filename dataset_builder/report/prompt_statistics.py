"""How varied the prompts of a dataset are: distinct n-grams, repetitions, lengths, classes per prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from dataset_builder.prompts.matching import split_words

ORDERS = (1, 2, 3)  # of n-grams


@dataclass
class PromptStatistics:
    """Counts over prompts, one after the other.

    grams: the n-grams seen, by n, as digests; total: how many there were with their repetitions.
    """

    prompts: int = 0
    words: int = 0
    classes: Counter[int] = field(default_factory=Counter)  # prompts by how many classes they name
    texts: set[str] = field(default_factory=set)
    grams: dict[int, set[bytes]] = field(default_factory=lambda: {n: set() for n in ORDERS})
    total: Counter[int] = field(default_factory=Counter)

    def add(self, text: str, classes: int) -> None:
        words = split_words(text)
        self.prompts += 1
        self.words += len(words)
        self.classes[classes] += 1
        self.texts.add(" ".join(words))
        for n in ORDERS:
            found = [digest(words[start : start + n]) for start in range(len(words) - n + 1)]
            self.grams[n].update(found)
            self.total[n] += len(found)

    def merge(self, other: PromptStatistics) -> None:
        """Count the prompts of another one, too."""
        self.prompts += other.prompts
        self.words += other.words
        self.classes.update(other.classes)
        self.texts |= other.texts
        self.total.update(other.total)
        for n in ORDERS:
            self.grams[n] |= other.grams[n]

    @property
    def distinct(self) -> dict[int, float]:
        """The share of n-grams that are no repetition of another, by n (distinct-n, Li et al. 2016)."""
        return {n: len(self.grams[n]) / self.total[n] for n in ORDERS if self.total[n]}

    @property
    def mean_words(self) -> float:
        return self.words / max(self.prompts, 1)

    @property
    def repeated(self) -> int:
        """How many prompts say what an earlier one says."""
        return self.prompts - len(self.texts)

    def lines(self) -> Iterable[tuple[str, str]]:
        """What there is to say, and its value."""
        yield "different prompts", f"{len(self.texts):,} of {self.prompts:,}"
        yield "words per prompt", f"{self.mean_words:.1f}"
        for n, share in self.distinct.items():
            yield f"distinct {'words' if n == 1 else f'{n}-grams'}", f"{100 * share:.1f} %"


def digest(words: Sequence[str]) -> bytes:
    """Of an n-gram, the same in every process."""
    return blake2b(" ".join(words).encode(), digest_size=8).digest()
