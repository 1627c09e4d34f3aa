"""Shards by the engine that is asked for: this process with others beside it, its GPUs, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from dataset_builder.building.gpu_samplers import loaded_samplers
from dataset_builder.building.job import Job, ShardPrompts, Watcher
from dataset_builder.building.local_engine import local_shards, shards_on_gpus
from dataset_builder.building.shard import Shard
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.visible_gpus import visible_gpus
from dataset_builder.engine.workers import Workers, working


@contextmanager
def spread(
    job: Job, asked: Iterator[ShardPrompts], engine: EngineOptions, watcher: Watcher
) -> Iterator[Iterator[Shard]]:
    """The shards that are asked for, in the order in which they are done.

    What draws them is loaded when the block begins: a model that is no good is told of before the work.
    """

    def died() -> None:
        watcher.incident("worker died")

    if engine.engine == "ray":
        with working(job, engine, gpu=True, on_death=died) as actors:
            yield _counted(actors, asked, watcher)
    elif engine.gpus:
        with (
            loaded_samplers(job, visible_gpus(engine.gpus), died) as samplers,
            closing(shards_on_gpus(job, asked, samplers, engine.workers, watcher)) as shards,
        ):
            yield shards
    else:
        with closing(local_shards(job, asked, engine.workers, watcher)) as shards:
            yield shards


def _counted(actors: Workers[Job], asked: Iterator[ShardPrompts], watcher: Watcher) -> Iterator[Shard]:
    for shard in actors.results(Job.shard, asked):
        watcher.settled(shard.tally)
        yield shard
