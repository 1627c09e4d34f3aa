"""Work is timed from when all workers are there."""

import time
from dataclasses import dataclass

from benchmarks.stages.worker_starts import awaited_workers
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.workers import OpenedAnew, working


@dataclass(frozen=True)
class Stage(OpenedAnew):
    def wait(self, seconds: float) -> float:
        time.sleep(seconds)
        return time.monotonic()


def test_work_begins_when_all_workers_are_there():
    with awaited_workers() as starts, working(Stage(), EngineOptions(workers=2)) as workers:
        first, second = workers.results(Stage.wait, [3.0, 3.0])
    assert len(starts) == 1 and starts[0] > 0
    assert abs(first - second) < 2.5  # side by side, however busy the machine
