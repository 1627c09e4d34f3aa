"""A stream of tasks through worker processes: results in order, few in memory, dead workers replaced."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Generic, TypeVar

from dataset_builder.engine.main_guard import check_main_guard
from dataset_builder.engine.tables import through_files
from dataset_builder.engine.visible_gpus import see_only
from dataset_builder.engine.worker_errors import noted

Task = TypeVar("Task")
Result = TypeVar("Result")
TRIES = 2  # how often a task may take its worker along before it is given up
LAST = -1000  # of what `multiprocessing` does as a process ends


class WorkerPool(Generic[Task, Result]):
    """Runs `function` in `workers` processes; with none, in this one.

    ahead: how many tasks may wait, so that neither side idles and memory stays flat. given_up makes the
    result of a task that kills its workers. on_death is told of every dead worker. gpus: the names of those
    that the workers see, one each, in turn.

    Within a `with` block: an error ends the workers at once, in the middle of what they do.
    """

    def __init__(
        self,
        function: Callable[[Task], Result],
        workers: int,
        ahead: int,
        given_up: Callable[[Task], Result],
        on_death: Callable[[], None] = lambda: None,
        gpus: Sequence[str] = (),
    ) -> None:
        self.function, self.workers, self.ahead = function, workers, max(ahead, workers + 1)
        self.given_up, self.on_death, self.gpus = given_up, on_death, gpus
        self.waiting: deque[tuple[Task, Future]] = deque()
        if workers:
            check_main_guard()
            self.tables = TemporaryDirectory(prefix="attnmask-", ignore_cleanup_errors=True)
            self._start()

    def __enter__(self) -> WorkerPool[Task, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.workers and error is not None:
            self.lifeline.close()
        self.close()

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
            self._stop()
            self.tables.cleanup()

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
        self._stop()
        self._start()

    def _stop(self) -> None:
        self.executor.shutdown(wait=True, cancel_futures=True)
        self.lifeline.close()

    def _start(self) -> None:
        # spawned, not forked: a fork of a process with a GPU or with threads of torch hangs
        context = multiprocessing.get_context("spawn")
        end, self.lifeline = context.Pipe(duplex=False)
        gpus = context.SimpleQueue()
        for number in range(self.workers if self.gpus else 0):
            gpus.put(self.gpus[number % len(self.gpus)])
        own = (self.function, end, gpus, self.tables.name)
        self.executor = ProcessPoolExecutor(self.workers, context, _begin, own)


_function: Callable[[Any], Any]  # of a worker, once it has begun


def _begin(function: Callable[[Any], Any], lifeline: Connection, gpus: Any, tables: str) -> None:
    global _function
    _function = function
    through_files(tables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends the pool
    threading.Thread(target=_end_with_parent, args=(lifeline, tables), daemon=True).start()
    if not gpus.empty():
        see_only(gpus.get())
    Finalize(None, _end, exitpriority=LAST)


def _end() -> None:
    """As a forked process ends: with all that was registered for it. To take PyTorch's modules down as well,
    one by one, is a second in which the parent waits."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(0)


def _end_with_parent(lifeline: Connection, tables: str) -> None:
    """A worker whose parent was killed would wait for tasks for ever; one in the middle of an hour's work
    would keep a parent that was stopped from ending. Both parents let go of the other end."""
    try:
        lifeline.recv()
    except EOFError:
        shutil.rmtree(tables, ignore_errors=True)
        os._exit(1)


def _run(task: Any) -> Any:
    with noted():
        return _function(task)
