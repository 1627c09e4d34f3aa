"""The local engine: this process, or one on each GPU, draws images while a pool makes rows of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence

from dataset_builder.building.candidates import Candidate, Skipped, candidates
from dataset_builder.building.gpu_samplers import GpuSampler, drawn_by
from dataset_builder.building.job import Job, ShardPrompts, Watcher
from dataset_builder.building.layout import ShardName
from dataset_builder.building.row import BuiltRow, RowMaker
from dataset_builder.building.shard import Shard, tally_of
from dataset_builder.engine.pool import WorkerPool

BATCHES_AHEAD = 2  # that may wait for the pool, so that it does not starve while a batch is drawn


def local_shards(
    job: Job, shards: Iterable[ShardPrompts], workers: int, watcher: Watcher
) -> Generator[Shard]:
    """Shards, encoded, one after the other."""
    opened = OpenShards(shards)
    drawn = (own for shard in opened for own in candidates(job.sampler, shard.prompts, job.recipe))
    return _encoded(job, local_results(job, job.row_maker(job.sampler), drawn, opened, workers, watcher))


def shards_on_gpus(
    job: Job, shards: Iterable[ShardPrompts], samplers: Sequence[GpuSampler], workers: int, watcher: Watcher
) -> Generator[Shard]:
    """Shards, encoded, as many at a time as there are samplers."""
    opened = OpenShards(shards)
    drawn = drawn_by(samplers, iter(opened), job.recipe, BATCHES_AHEAD * job.recipe.sampling.batch_size)
    return _encoded(job, local_results(job, job.row_maker(samplers[0]), drawn, opened, workers, watcher))


def local_results(
    job: Job,
    make_row: RowMaker,
    drawn: Iterable[Candidate | Skipped],
    opened: OpenShards,
    workers: int,
    watcher: Watcher,
) -> Iterator[tuple[ShardName, list[BuiltRow | Skipped]]]:
    """The name of each shard with what became of its prompts, as soon as that is known of all of them.

    The images of the next shard are drawn while the last ones of a shard are still refined: the pool gives
    one result for each image, and knows nothing of shards.
    """
    with WorkerPool(
        make_row,
        workers,
        ahead=BATCHES_AHEAD * job.recipe.sampling.batch_size,
        given_up=lost_to_worker,
        on_death=lambda: watcher.incident("worker died"),
    ) as pool:
        for result in pool.results(drawn):
            watcher.settled(tally_of([result]))
            if closed := opened.settled(result):
                yield closed


class OpenShards:
    """Shards that are handed out, until the last of their pairs is settled."""

    def __init__(self, shards: Iterable[ShardPrompts]) -> None:
        self.shards = iter(shards)
        self.awaited: dict[int, ShardPrompts] = {}  # by the index of a pair
        self.found: dict[ShardName, list[BuiltRow | Skipped]] = defaultdict(list)

    def __iter__(self) -> Iterator[ShardPrompts]:
        return self

    def __next__(self) -> ShardPrompts:
        shard = next(self.shards)
        self.awaited.update(dict.fromkeys(shard.prompts, shard))
        return shard

    def settled(self, result: BuiltRow | Skipped) -> tuple[ShardName, list[BuiltRow | Skipped]] | None:
        """A shard with all that became of its prompts, where this was the last of them."""
        shard = self.awaited.pop(result.index)
        found = self.found[shard.name]
        found.append(result)
        return (shard.name, self.found.pop(shard.name)) if len(found) == len(shard.prompts) else None


def _encoded(job: Job, found: Iterator[tuple[ShardName, list[BuiltRow | Skipped]]]) -> Generator[Shard]:
    return (job.encode(name, results) for name, results in found)


def lost_to_worker(task: Candidate | Skipped) -> Skipped:
    prompt = task.item.text if isinstance(task, Candidate) else task.prompt
    return Skipped(task.index, prompt, "worker died", "refining it ended the worker process, twice")
