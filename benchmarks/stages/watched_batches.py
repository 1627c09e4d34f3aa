"""The batches of a training, watched while they are waited for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from train_segmenter.training.batches import Batch, training_batches


@dataclass
class Watched:
    """The batches of a training, and when each was asked for and had."""

    asked: list[float] = field(default_factory=list)
    had: list[float] = field(default_factory=list)

    def __call__(self, *arguments: Any, **options: Any) -> Iterator[Batch]:
        batches = iter(training_batches(*arguments, **options))
        while True:
            self.asked.append(time.perf_counter())
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.had.append(time.perf_counter())
            yield batch

    @property
    def seconds(self) -> float:
        """Of a step and the wait before it."""
        return (self.asked[-1] - self.had[0]) / (len(self.asked) - 1)

    @property
    def waited(self) -> float:
        """The same of the waits alone."""
        waits = [had - asked for asked, had in zip(self.asked[1:], self.had[1:], strict=False)]
        return sum(waits) / len(waits)
