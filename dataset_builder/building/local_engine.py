"""The local engine: this process, or one on each GPU, draws images while a pool makes rows of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence

from dataset_builder.building.candidates import Candidate, Skipped, candidates
from dataset_builder.building.gpu_samplers import GpuSampler, drawn_by
from dataset_builder.building.job import Job, ShardPrompts, Watcher
from dataset_builder.building.layout import shard_indices, shard_of
from dataset_builder.building.row import BuiltRow, RowMaker
from dataset_builder.building.shard import Shard, tally_of
from dataset_builder.engine.pool import WorkerPool

BATCHES_AHEAD = 2  # that may wait for the pool, so that it does not starve while a batch is drawn


def local_shards(
    job: Job, shards: Iterable[ShardPrompts], workers: int, watcher: Watcher
) -> Generator[Shard]:
    """Shards, encoded, one after the other."""
    drawn = (own for shard in shards for own in candidates(job.sampler, shard.prompts, job.recipe))
    return _encoded(job, local_results(job, job.row_maker(job.sampler), drawn, workers, watcher))


def shards_on_gpus(
    job: Job, shards: Iterable[ShardPrompts], samplers: Sequence[GpuSampler], workers: int, watcher: Watcher
) -> Generator[Shard]:
    """Shards, encoded, as many at a time as there are samplers."""
    drawn = drawn_by(samplers, iter(shards), job.recipe, BATCHES_AHEAD * job.recipe.sampling.batch_size)
    return _encoded(job, local_results(job, job.row_maker(samplers[0]), drawn, workers, watcher))


def local_results(
    job: Job, make_row: RowMaker, drawn: Iterable[Candidate | Skipped], workers: int, watcher: Watcher
) -> Iterator[tuple[int, list[BuiltRow | Skipped]]]:
    """The number of each shard with what became of its prompts, as soon as that is known of all of them.

    The images of the next shard are drawn while the last ones of a shard are still refined: the pool gives
    one result for each image, and knows nothing of shards.
    """
    found: dict[int, list[BuiltRow | Skipped]] = defaultdict(list)
    with WorkerPool(
        make_row,
        workers,
        ahead=BATCHES_AHEAD * job.recipe.sampling.batch_size,
        given_up=lost_to_worker,
        on_death=lambda: watcher.incident("worker died"),
    ) as pool:
        for result in pool.results(drawn):
            watcher.settled(tally_of([result]))
            number = shard_of(job.recipe, result.index)
            found[number].append(result)
            if len(found[number]) == len(shard_indices(job.recipe, number)):
                yield number, found.pop(number)


def _encoded(job: Job, found: Iterator[tuple[int, list[BuiltRow | Skipped]]]) -> Generator[Shard]:
    return (job.encode(number, results) for number, results in found)


def lost_to_worker(task: Candidate | Skipped) -> Skipped:
    prompt = task.item.text if isinstance(task, Candidate) else task.prompt
    return Skipped(task.index, prompt, "worker died", "refining it ended the worker process, twice")
