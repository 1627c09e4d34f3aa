"""Ways to do the same, timed in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

import typer

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
ClockOption = Annotated[
    Literal["wall", "cpu"], typer.Option(help="wall, or cpu: processor seconds, for a busy machine.")
]
Result = TypeVar("Result")


@dataclass
class Turns:
    """The seconds of each way by its name, turn after turn."""

    clock: str = "wall"
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def take(self, ways: Mapping[str, Callable[[], Result]]) -> dict[str, Result]:
        """One turn: each way once. Gives their results."""
        now, results = CLOCKS[self.clock], {}
        for name, way in ways.items():
            start = now()
            results[name] = way()
            self.seconds.setdefault(name, []).append(now() - start)
        return results

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """The median of the turns' ratios."""
        turns = zip(self.seconds[name], self.seconds[to], strict=True)
        return statistics.median(own / other for own, other in turns)
