"""Shards by the engine that is asked for: this process with others beside it, its GPUs, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from dataset_builder.building.gpu_samplers import loaded_samplers
from dataset_builder.building.job import Job, ShardPrompts, Watcher
from dataset_builder.building.local_engine import local_shards, shards_on_gpus
from dataset_builder.building.shard import Shard
from dataset_builder.engine.main_guard import check_main_guard
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.visible_gpus import visible_gpus


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
        from dataset_builder.building.cluster_shards import cluster_shards
        from dataset_builder.engine.cluster import actors

        with actors(job, engine.workers, engine.address, gpu=True, on_death=died) as crew:
            yield cluster_shards(crew, asked, watcher)
    elif engine.gpus:
        with (
            loaded_samplers(job, visible_gpus(engine.gpus), died) as samplers,
            closing(shards_on_gpus(job, asked, samplers, engine.workers, watcher)) as shards,
        ):
            yield shards
    else:
        if engine.workers:
            check_main_guard()  # before the model is loaded
        with closing(local_shards(job, asked, engine.workers, watcher)) as shards:
            yield shards
