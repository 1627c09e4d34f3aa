"""How varied the prompts of a dataset are: distinct n-grams, repetitions, lengths, classes per prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dataset_builder.prompts.matching import split_words
from dataset_builder.report.distinct import DistinctCount

ORDERS = (1, 2, 3)  # of n-grams


def one_for_each() -> dict[int, DistinctCount]:
    return {n: DistinctCount() for n in ORDERS}


@dataclass
class PromptStatistics:
    """Counts over prompts, one after the other, whoever read which of them.

    texts, grams: different prompts, and n-grams by n; total: n-grams with their repetitions.
    """

    prompts: int = 0
    words: int = 0
    classes: Counter[int] = field(default_factory=Counter)  # prompts by how many classes they name
    texts: DistinctCount = field(default_factory=DistinctCount)
    grams: dict[int, DistinctCount] = field(default_factory=one_for_each)
    total: Counter[int] = field(default_factory=Counter)

    def add(self, text: str, classes: int) -> None:
        words = split_words(text)
        self.prompts += 1
        self.words += len(words)
        self.classes[classes] += 1
        self.texts.add([" ".join(words)])
        for n in ORDERS:
            found = [" ".join(words[start : start + n]) for start in range(len(words) - n + 1)]
            self.grams[n].add(found)
            self.total[n] += len(found)

    def merge(self, other: PromptStatistics) -> None:
        """Count the prompts of another one, too."""
        self.prompts += other.prompts
        self.words += other.words
        self.classes.update(other.classes)
        self.texts.merge(other.texts)
        self.total.update(other.total)
        for n in ORDERS:
            self.grams[n].merge(other.grams[n])

    @property
    def distinct(self) -> dict[int, float]:
        """The share of n-grams that are no repetition of another, by n (distinct-n, Li et al. 2016)."""
        return {n: min(self.grams[n].count / self.total[n], 1.0) for n in ORDERS if self.total[n]}

    @property
    def mean_words(self) -> float:
        return self.words / max(self.prompts, 1)

    @property
    def different(self) -> int:
        """How many prompts say what no earlier one says."""
        return min(self.texts.count, self.prompts)

    def lines(self) -> Iterable[tuple[str, str]]:
        """What there is to say, and its value."""
        about = "" if self.texts.exact else "about "
        yield "different prompts", f"{about}{self.different:,} of {self.prompts:,}"
        yield "words per prompt", f"{self.mean_words:.1f}"
        for n, share in self.distinct.items():
            yield f"distinct {'words' if n == 1 else f'{n}-grams'}", f"{100 * share:.1f} %"
