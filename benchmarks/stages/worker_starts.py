"""Workers that are all there before a stage begins, so that starting and working are timed apart."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from dataset_builder.engine import cluster
from dataset_builder.engine.pool import WorkerPool

MOMENT = 0.1  # seconds that a worker is held, so that others answer, too


@contextmanager
def awaited_workers() -> Iterator[list[float]]:
    """Within, every pool and every crew of actors waits for all its workers; yields how long each took."""
    starts: list[float] = []

    def timed(original: Callable[..., None], wait: Callable[[Any], None]) -> Callable[..., None]:
        def start(*own: Any, **options: Any) -> None:
            began = time.perf_counter()
            original(*own, **options)
            wait(own[0])
            starts.append(time.perf_counter() - began)

        return start

    with (
        patch.object(WorkerPool, "_start", timed(WorkerPool._start, processes_there)),
        patch.object(cluster, "connect", timed(cluster.connect, lambda ray: None)),
        patch.object(cluster.Actors, "__init__", timed(cluster.Actors.__init__, actors_there)),
    ):
        yield starts


def processes_there(pool: WorkerPool) -> None:
    found: set[int] = set()
    while len(found) < pool.workers:
        asked = [pool.executor.submit(present) for _ in range(pool.workers)]
        found.update(own.result() for own in asked)


def present() -> int:
    time.sleep(MOMENT)
    return os.getpid()


def actors_there(crew: cluster.Actors) -> None:
    crew.crew = [crew.actor_class.remote(crew.stage, crew.threads) for _ in range(crew.workers)]
    crew.ray.get([actor.__ray_ready__.remote() for actor in crew.crew])
