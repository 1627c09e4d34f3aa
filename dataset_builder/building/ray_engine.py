"""The Ray engine: shards are tasks, actors hold the pipeline, and this process only writes what they send."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from dataset_builder.building.job import Job, Watcher
from dataset_builder.building.layout import shard_prompts
from dataset_builder.building.sampler import Sampler
from dataset_builder.building.shard import Shard
from dataset_builder.prompts import PromptItem, PromptPlan

TRIES = 4  # how often a shard may lose its actor
LOCAL = "local"
LOOPBACK_ONLY = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # whatever it is called: no port to the network
AHEAD = 2  # shards with an actor: one that it builds, one that it begins without waiting for this process


class ShardActor:
    """A pipeline on a device of its own; refines what it draws."""

    def __init__(self, job: Job, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)  # as in the driver: the number of threads can change the last bit
        self.job = job

    @cached_property
    def sampler(self) -> Sampler:
        """Loaded within a task, whose errors arrive as they are; those of a constructor kill the actor."""
        return self.job.sampler()

    def build(self, number: int, prompts: Mapping[int, PromptItem]) -> Shard:
        return self.job.shard(number, prompts, self.sampler)


def ray_shards(
    job: Job,
    numbers: Sequence[int],
    plan: PromptPlan,
    workers: int,
    address: str,
    watcher: Watcher,
) -> Iterator[Shard]:
    """The shards of these numbers in the order in which they are done.

    Shards are handed out as actors get free, so that neither this process's memory nor Ray's grows with their
    number. A dead actor is replaced and its shards are given out again.
    """
    if address == LOCAL:
        os.environ.setdefault(*LOOPBACK_ONLY)  # before Ray is imported
    try:
        import ray
    except ImportError as reason:
        raise OSError("engine ray needs Ray: pip install 'diffusers-attnmask[ray]'") from reason
    started = not ray.is_initialized()
    if started:
        connect(ray, workers, address)
    try:
        yield from Dispatcher(ray, job, plan, watcher).shards(deque(numbers), workers)
    finally:
        if started:
            ray.shutdown()


def connect(ray: Any, workers: int, address: str) -> None:
    local = {"num_cpus": max(workers, 1), "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, **local)
    except ConnectionError as reason:
        raise OSError(
            f"no Ray cluster at {address!r}: start one with `ray start --head`, or take --address local"
        ) from reason


class Dispatcher:
    """Hands shards to actors and takes them back."""

    def __init__(self, ray: Any, job: Job, plan: PromptPlan, watcher: Watcher) -> None:
        import torch

        self.ray, self.recipe, self.plan, self.watcher = ray, job.recipe, plan, watcher
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        self.actor_class = ray.remote(ShardActor).options(num_cpus=1, num_gpus=gpus)
        self.job, self.threads = ray.put(job), torch.get_num_threads()
        self.running: dict[Any, tuple[Any, int]] = {}  # what is awaited: its actor and shard
        self.lost: dict[int, int] = {}

    def shards(self, numbers: deque[int], workers: int) -> Iterator[Shard]:
        actors = [self.actor() for _ in range(min(workers, len(numbers)))]
        for _ in range(AHEAD):
            for actor in actors:
                self.give(actor, numbers)
        while self.running:
            (done,), _ = self.ray.wait(list(self.running), num_returns=1)
            actor, number = self.running.pop(done)
            try:
                shard = self.ray.get(done)
            except self.ray.exceptions.RayActorError:
                self.bury(actor, number, numbers)
                continue
            except self.ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            del done  # with the last reference, Ray forgets the shard's bytes
            self.give(actor, numbers)
            self.watcher.settled(shard.tally)
            yield shard

    def actor(self) -> Any:
        return self.actor_class.remote(self.job, self.threads)

    def give(self, actor: Any, numbers: deque[int]) -> None:
        if numbers:
            number = numbers.popleft()
            prompts = shard_prompts(self.plan, self.recipe, number)
            self.running[actor.build.remote(number, prompts)] = (actor, number)

    def bury(self, dead: Any, number: int, numbers: deque[int]) -> None:
        """Give a dead actor's shards to a new one."""
        self.watcher.incident("worker died")
        returned = [number]
        for reference, (actor, own) in list(self.running.items()):
            if actor is dead:
                del self.running[reference]
                returned.append(own)
        self.lost[number] = self.lost.get(number, 0) + 1
        if self.lost[number] >= TRIES:
            raise OSError(
                f"shard {number} lost its worker {TRIES} times, probably for want of memory: take a smaller "
                "sampling.batch_size, or fewer workers"
            )
        numbers.extendleft(reversed(returned))
        actor = self.actor()
        for _ in returned:
            self.give(actor, numbers)
