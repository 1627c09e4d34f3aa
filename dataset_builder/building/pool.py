"""A stream of tasks through worker processes: results in order, few in memory, dead workers replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
TRIES = 2  # how often a task may take its worker along before it is given up


class WorkerPool(Generic[Task, Result]):
    """Runs `function` in `workers` processes; with none, in this one.

    ahead: how many tasks may wait, so that neither side idles and memory stays flat. given_up makes the
    result of a task that kills its workers. on_death is told of every dead worker.
    """

    def __init__(
        self,
        function: Callable[[Task], Result],
        workers: int,
        ahead: int,
        given_up: Callable[[Task], Result],
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.function, self.workers, self.ahead = function, workers, max(ahead, workers + 1)
        self.given_up, self.on_death = given_up, on_death
        self.waiting: deque[tuple[Task, Future]] = deque()
        if workers:
            self.executor = self._started()

    def results(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """One result per task, in the order of the tasks, which are drawn only as room allows."""
        if not self.workers:
            yield from map(self.function, tasks)
            return
        for task in tasks:
            self._submit(task)
            while len(self.waiting) >= self.ahead or (self.waiting and self.waiting[0][1].done()):
                yield self._first()
        while self.waiting:
            yield self._first()

    def close(self) -> None:
        if self.workers:
            self.executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, task: Task) -> None:
        try:
            future = self.executor.submit(_run, task)
        except BrokenProcessPool:
            self._recover()
            future = self.executor.submit(_run, task)
        self.waiting.append((task, future))

    def _first(self) -> Result:
        while True:
            try:
                result = self.waiting[0][1].result()
            except BrokenProcessPool:
                self._recover()
            else:
                self.waiting.popleft()
                return result

    def _recover(self) -> None:
        """New workers. Which task killed the old ones is not known, so each of them is tried by itself."""
        self.on_death()
        self._restart()
        tasks = [(task, future) for task, future in self.waiting]
        self.waiting.clear()
        for task, future in tasks:
            if not future.done() or future.exception() is not None:
                future = self._alone(task)
            self.waiting.append((task, future))

    def _alone(self, task: Task) -> Future:
        for _ in range(TRIES):
            future = self.executor.submit(_run, task)
            if not isinstance(future.exception(), BrokenProcessPool):  # waits until it is done
                return future
            self.on_death()
            self._restart()
        future = Future()
        future.set_result(self.given_up(task))
        return future

    def _restart(self) -> None:
        self.executor.shutdown(wait=True, cancel_futures=True)
        self.executor = self._started()

    def _started(self) -> ProcessPoolExecutor:
        # spawned, not forked: a fork of a process with a GPU or with threads of torch hangs
        return ProcessPoolExecutor(
            self.workers, multiprocessing.get_context("spawn"), _begin, (self.function,)
        )


_function: Callable[[Any], Any]  # of a worker, once it has begun


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)


def _run(task: Any) -> Any:
    return _function(task)
