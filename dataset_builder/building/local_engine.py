"""The local engine: this process draws images while a pool of others makes rows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from dataset_builder.building.candidates import Candidate, Skipped, candidates
from dataset_builder.building.job import Job, Watcher
from dataset_builder.building.layout import shard_indices, shard_prompts
from dataset_builder.building.pool import WorkerPool
from dataset_builder.building.row import BuiltRow
from dataset_builder.building.sampler import Sampler
from dataset_builder.building.shard import Shard, tally_of
from dataset_builder.prompts import PromptPlan

BATCHES_AHEAD = 2  # that may wait for the pool, so that it does not starve while a batch is drawn


def local_shards(
    job: Job, numbers: Sequence[int], plan: PromptPlan, workers: int, watcher: Watcher
) -> Iterator[Shard]:
    """The shards of these numbers, encoded, one after the other. The sampler is loaded at once."""
    found = local_results(job, job.sampler(), numbers, plan, workers, watcher)
    return (job.encode(number, results) for number, results in found)


def local_results(
    job: Job, sampler: Sampler, numbers: Sequence[int], plan: PromptPlan, workers: int, watcher: Watcher
) -> Iterator[tuple[int, list[BuiltRow | Skipped]]]:
    """What became of the prompts of each shard.

    The images of the next shard are drawn while the last ones of a shard are still refined: the pool gives
    one result for each prompt, in their order, and knows nothing of shards.
    """
    drawn = (
        candidate
        for number in numbers
        for candidate in candidates(sampler, shard_prompts(plan, job.recipe, number), job.recipe)
    )
    pool = WorkerPool(
        job.row_maker(sampler),
        workers,
        ahead=BATCHES_AHEAD * job.recipe.sampling.batch_size,
        given_up=lost_to_worker,
        on_death=lambda: watcher.incident("worker died"),
    )
    results = pool.results(drawn)
    try:
        for number in numbers:
            own = []
            for result in islice(results, len(shard_indices(job.recipe, number))):
                watcher.settled(tally_of([result]))
                own.append(result)
            yield number, own
    finally:
        pool.close()


def lost_to_worker(task: Candidate | Skipped) -> Skipped:
    prompt = task.item.text if isinstance(task, Candidate) else task.prompt
    return Skipped(task.index, prompt, "worker died", "refining it ended the worker process, twice")
