"""A stage and its tasks: functions of what the stage has opened, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.pool import TRIES, WorkerPool
from dataset_builder.engine.visible_gpus import visible_gpus

Stage = TypeVar("Stage")
Held = TypeVar("Held", covariant=True)
Task = TypeVar("Task")
Result = TypeVar("Result")
TASKS_AHEAD = 2  # with a worker: one that it does, one that it begins without waiting for this process


class Workers(Protocol[Held]):
    """Those who do the tasks of a stage, which each of them holds."""

    def results(self, function: Callable[[Held, Task], Result], tasks: Iterable[Task], /) -> Iterator[Result]:
        """What the function makes of the stage and every task, in the order in which that is done.

        Tasks are drawn only as workers get free, so that memory does not grow with their number. The task of
        a worker that died is given out again.
        """
        ...


class OpenedAnew:
    """For stages, which are dataclasses: they travel as their fields alone, and what they have opened, in
    cached properties, every worker opens for itself."""

    def __reduce__(self) -> tuple[type[Any], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]


def working(
    stage: Stage,
    engine: EngineOptions,
    *,
    gpu: bool = False,
    on_death: Callable[[], None] = lambda: None,
) -> AbstractContextManager[Workers[Stage]]:
    """Workers for a stage, until the block ends.

    gpu: whether the stage computes on one where there is any. on_death is told of every dead worker.
    """
    if engine.engine == "ray":
        from dataset_builder.engine.cluster import actors

        return actors(stage, engine.workers, engine.address, gpu=gpu, on_death=on_death)
    gpus = visible_gpus(engine.gpus)  # those that are not there are told of whether or not they are needed
    gpus = gpus if gpu else ()
    workers = max(engine.workers, len(gpus))
    if workers > 1 or gpus:
        return _processes(stage, workers, gpus, on_death)
    return nullcontext(Alone(stage))


@dataclass(frozen=True)
class Alone(Generic[Stage]):
    """This process."""

    stage: Stage

    def results(
        self, function: Callable[[Stage, Task], Result], tasks: Iterable[Task], /
    ) -> Iterator[Result]:
        return (function(self.stage, task) for task in tasks)


@dataclass(frozen=True)
class Processes:
    """Others of this machine."""

    pool: WorkerPool[tuple[Callable, Any], Any]

    def results(self, function: Callable[[Any, Task], Result], tasks: Iterable[Task], /) -> Iterator[Result]:
        return self.pool.results((function, task) for task in tasks)


@contextmanager
def _processes(
    stage: Any, workers: int, gpus: tuple[str, ...], on_death: Callable[[], None]
) -> Iterator[Processes]:
    with WorkerPool(
        _OnStage(stage), workers, workers * TASKS_AHEAD, lost_with_its_workers, on_death, gpus
    ) as pool:
        yield Processes(pool)


@dataclass(frozen=True)
class _OnStage:
    """What a process does; it travels there once, and the tasks one by one."""

    stage: Any

    def __call__(self, call: tuple[Callable, Any]) -> Any:
        function, task = call
        return function(self.stage, task)


def lost_with_its_workers(call: tuple[Callable, Any]) -> Any:
    raise OSError(
        f"{call[1]} ended its worker process {TRIES} times, probably for want of memory: take fewer workers"
    )
