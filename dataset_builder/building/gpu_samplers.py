"""A sampling process on each of several GPUs of one machine, and the stream of what they draw."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import Any

from dataset_builder.building.candidates import Candidate, Skipped, candidates
from dataset_builder.building.job import Job, ShardPrompts
from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.engine.pool import TRIES, WorkerPool
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe

Call = tuple[Sequence[PromptItem], Sequence[int]] | None  # without items: what the sampler is called


@dataclass(frozen=True)
class SamplerCalls:
    """What a sampling process does, with a sampler that it loads when it is first called."""

    job: Job

    def __call__(self, call: Call) -> Any:
        sampler = self.job.sampler
        return (sampler.model, sampler.method) if call is None else sampler(*call)


class GpuSampler:
    """A job's sampler in a process that sees one GPU alone."""

    model: str
    method: str

    def __init__(self, job: Job, gpu: str, on_death: Callable[[], None]) -> None:
        self.gpu = gpu
        self.pool: WorkerPool[Call, Any] = WorkerPool(SamplerCalls(job), 1, 1, self.lost, on_death, (gpu,))

    def load(self) -> None:
        self.model, self.method = self.asked(None)

    def __call__(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]:
        return self.asked((items, seeds))

    def asked(self, call: Call) -> Any:
        (answer,) = self.pool.results([call])
        return answer

    def lost(self, call: Call) -> Any:
        raise OSError(
            f"the sampling process on GPU {self.gpu} ended {TRIES} times at one batch, probably for want of "
            "memory: take a smaller --batch-size"
        )


@contextmanager
def loaded_samplers(
    job: Job, gpus: Sequence[str], on_death: Callable[[], None]
) -> Iterator[list[GpuSampler]]:
    """One on each of the GPUs, loaded side by side."""
    with ExitStack() as stack:
        samplers = [GpuSampler(job, gpu, on_death) for gpu in gpus]
        for sampler in samplers:
            stack.enter_context(sampler.pool)
        with ThreadPoolExecutor(len(samplers)) as threads:
            list(threads.map(GpuSampler.load, samplers))
        yield samplers


def drawn_by(
    samplers: Sequence[GpuSampler], shards: Iterator[ShardPrompts], recipe: Recipe, ahead: int
) -> Iterator[Candidate | Skipped]:
    """The images of shards, each of which goes to the sampler that is free first; those of several mingle.

    A thread waits for each process. ahead: how many images may wait to be taken.
    """
    drawn: Queue[Candidate | Skipped | BaseException | None] = Queue(ahead)
    taking = threading.Lock()

    def draw(sampler: GpuSampler) -> None:
        try:
            while True:
                with taking:
                    shard = next(shards, None)
                if shard is None:
                    return drawn.put(None)
                for candidate in candidates(sampler, shard.prompts, recipe):
                    drawn.put(candidate)
        except BaseException as error:
            drawn.put(error)

    for sampler in samplers:  # daemons, which do not keep a process that was stopped from ending
        threading.Thread(target=draw, args=(sampler,), daemon=True).start()
    at_work = len(samplers)
    while at_work:
        own = drawn.get()
        if isinstance(own, BaseException):
            raise own
        if own is None:
            at_work -= 1
        else:
            yield own
