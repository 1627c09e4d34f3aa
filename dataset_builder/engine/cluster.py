"""A stage on Ray: actors hold it, tasks are handed out as actors get free, and this process collects.

What actors tell of a task before it is done comes by Ray's generators; the object store and its spilling are
Ray's own, too.
"""

from __future__ import annotations

import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dataset_builder.engine.options import AUTO, LOCAL, host_and_port
from dataset_builder.engine.worker_errors import noted
from diffusers_attnmask.ground.hub_errors import first_line

Stage = TypeVar("Stage")
Task = TypeVar("Task")
Step = TypeVar("Step")
Result = TypeVar("Result")
TRIES = 4  # how often a task may lose its actor
LOOPBACK_ONLY = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # whatever it is called: no port to the network
AHEAD = 2  # tasks with an actor: one that it does, one that it begins without waiting for this process
PATIENCE = 10  # seconds for a cluster to answer


class StageActor:
    """A stage on a device of its own."""

    def __init__(self, stage: Any, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)  # as in the driver: the number of threads can change the last bit
        self.stage = stage

    def done(self, function: Callable[..., Generator], task: Any) -> Iterator[tuple[bool, Any]]:
        """What the function yields of a task, then what it returns; each with whether it is that."""
        with noted():
            steps = function(self.stage, task)
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    yield True, end.value
                    return
                yield False, step


@dataclass(frozen=True)
class InOneStep(Generic[Stage, Task, Result]):
    """A function that tells nothing before it is done."""

    function: Callable[[Stage, Task], Result]

    def __call__(self, stage: Stage, task: Task) -> Generator[Any, None, Result]:
        yield from ()
        return self.function(stage, task)


@contextmanager
def actors(
    stage: Any, workers: int, address: str, *, gpu: bool, on_death: Callable[[], None]
) -> Iterator[Actors]:
    """Up to so many actors with a stage, until the block ends; so does a cluster that is started for it."""
    check_answers(address)
    if address == LOCAL:
        os.environ.setdefault(*LOOPBACK_ONLY)  # before Ray is imported
    try:
        import ray
    except ImportError as reason:
        raise OSError("engine ray needs Ray: pip install 'diffusers-attnmask[ray]'") from reason
    started = not ray.is_initialized()
    if started:
        connect(ray, workers, address)
    crew = None
    try:
        crew = Actors(ray, stage, workers, gpu, on_death)
        yield crew
    finally:
        if crew is not None:
            crew.dismiss()
        if started:
            ray.shutdown()


def connect(ray: Any, workers: int, address: str) -> None:
    local = {"num_cpus": workers, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, **local)
    except ConnectionError as reason:
        raise no_cluster(address) from reason
    except Exception as reason:
        if type(reason) is not Exception:
            raise
        raise OSError(f"Ray did not start on this machine: {first_line(reason)}; try again") from reason


def check_answers(address: str) -> None:
    """Raise unless somebody listens there; Ray itself would wait for minutes."""
    if address not in (LOCAL, AUTO):
        try:
            socket.create_connection(host_and_port(address), timeout=PATIENCE).close()
        except OSError as reason:
            raise no_cluster(address) from reason


def no_cluster(address: str) -> OSError:
    return OSError(
        f"no Ray cluster at {address!r}: start one with `ray start --head`, or take --address local"
    )


@dataclass
class Errand:
    """A task on its way."""

    task: Any
    actor: Any = None
    lost: int = 0


class Actors:
    """Hands tasks to actors and takes back what they made of them."""

    def __init__(self, ray: Any, stage: Any, workers: int, gpu: bool, on_death: Callable[[], None]) -> None:
        import torch

        self.ray, self.workers, self.on_death = ray, workers, on_death
        gpus = gpus_each(ray.cluster_resources(), workers, gpu)
        self.actor_class = ray.remote(StageActor).options(num_cpus=1, num_gpus=gpus)
        self.stage, self.threads = ray.put(stage), torch.get_num_threads()
        self.crew: list[Any] = []

    def results(self, function: Callable[[Any, Task], Result], tasks: Iterable[Task], /) -> Iterator[Result]:
        """One result per task, in the order in which they are done.

        A dead actor is replaced, and its tasks are given out again.
        """
        return self.told(InOneStep(function), tasks, lambda step: None)

    def told(
        self,
        function: Callable[[Any, Task], Generator[Step, None, Result]],
        tasks: Iterable[Task],
        hear: Callable[[Step], object],
    ) -> Iterator[Result]:
        """The same, where `hear` is told what the function yields of a task before it returns the result.

        What was told of a task that is given out again is told once more.
        """
        new, returned = map(Errand, tasks), deque[Errand]()
        running: dict[Any, Errand] = {}  # by what is awaited
        self._hand_out(function, new, returned, running)
        while running:
            (ready,), _ = self.ray.wait(list(running), num_returns=1)
            try:
                over, own = self.ray.get(next(ready))  # with this reference, Ray forgets its bytes
            except self.ray.exceptions.RayActorError:
                self._bury(running.pop(ready), running, returned)
                self._hand_out(function, new, returned, running)
                continue
            except self.ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, Exception):
                    raise error.cause from error
                raise
            if not over:
                hear(own)
                continue
            del running[ready]
            self._hand_out(function, new, returned, running)
            yield own

    def dismiss(self) -> None:
        for actor in self.crew:
            self.ray.kill(actor)
        self.crew.clear()

    def _hand_out(
        self,
        function: Callable,
        new: Iterator[Errand],
        returned: deque[Errand],
        running: dict[Any, Errand],
    ) -> None:
        while len(running) < AHEAD * self.workers:
            errand = returned.popleft() if returned else next(new, None)
            if errand is None:
                return
            errand.actor = self._least_busy(running)
            streamed = errand.actor.done.options(num_returns="streaming")
            running[streamed.remote(function, errand.task)] = errand

    def _least_busy(self, running: dict[Any, Errand]) -> Any:
        load = Counter(errand.actor for errand in running.values())
        idle = next((actor for actor in self.crew if not load[actor]), None)
        if idle is None and len(self.crew) < self.workers:
            idle = self.actor_class.remote(self.stage, self.threads)
            self.crew.append(idle)
        return idle or min(self.crew, key=lambda actor: load[actor])

    def _bury(self, found: Errand, running: dict[Any, Errand], returned: deque[Errand]) -> None:
        """Take back all that a dead actor had."""
        self.on_death()
        dead = found.actor
        self.crew.remove(dead)
        found.lost += 1
        if found.lost >= TRIES:
            raise OSError(
                f"{found.task} lost its worker {TRIES} times, probably for want of memory: take fewer "
                "workers, or a smaller batch"
            )
        returned.append(found)
        for reference, errand in list(running.items()):
            if errand.actor is dead:
                returned.append(running.pop(reference))


def gpus_each(resources: dict[str, float], workers: int, gpu: bool) -> int:
    """How many GPUs an actor gets; more actors than the cluster can hold would wait for ever."""
    gpus = int(resources.get("GPU", 0)) if gpu else 0
    for what, there in (("processors", int(resources.get("CPU", 0))), ("GPUs", gpus)):
        if there < workers and (there or what == "processors"):
            raise ValueError(f"--workers {workers}: the cluster has {there} {what}, and a worker takes one")
    return min(gpus, 1)
