"""The local engine: this process draws images while a pool of others refines and encodes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dataset_builder.building.candidates import Candidate, Sampler, Skipped, candidates
from dataset_builder.building.layout import shard_indices
from dataset_builder.building.pool import WorkerPool
from dataset_builder.building.row import BuiltRow, RowMaker
from dataset_builder.building.shard import Shard, encode_shard, tally_of
from dataset_builder.building.tally import Tally
from dataset_builder.prompts import PromptItem, PromptPlan
from dataset_builder.recipe import Recipe
from dataset_builder.vocabulary import Vocabulary

MakeSampler = Callable[[Recipe], Sampler]
ShardItems = Callable[[int], Mapping[int, PromptItem]]  # a shard's prompts by index
BATCHES_AHEAD = 2  # that may wait for the pool, so that it does not starve while a batch is drawn


@dataclass(frozen=True)
class Job:
    """What every engine builds shards from."""

    recipe: Recipe
    vocabulary: Vocabulary
    identity: str
    make_sampler: MakeSampler

    def finisher(self, sampler: Sampler) -> RowMaker:
        return RowMaker(self.recipe, self.vocabulary, sampler.model, sampler.method)

    def encode(self, number: int, results: list[BuiltRow | Skipped]) -> Shard:
        return encode_shard(number, results, self.vocabulary.class_names, self.recipe.maps, self.identity)


@dataclass
class Watcher:
    """What an engine tells while it works."""

    settled: Callable[[Tally], None] = lambda tally: None
    incident: Callable[[str], None] = lambda what: None


@dataclass
class Opened:
    """A shard on its way."""

    number: int
    expected: int
    results: list[BuiltRow | Skipped] = field(default_factory=list)


def local_shards(
    job: Job, numbers: Iterable[int], items: ShardItems, workers: int, watcher: Watcher
) -> Iterator[Shard]:
    """The shards of these numbers, encoded, one after the other."""
    for number, results in local_results(job, numbers, items, workers, watcher):
        yield job.encode(number, results)


def local_results(
    job: Job, numbers: Iterable[int], items: ShardItems, workers: int, watcher: Watcher
) -> Iterator[tuple[int, list[BuiltRow | Skipped]]]:
    """What became of the prompts of each shard.

    The images of the next shard are drawn while the last ones of a shard are still refined.
    """
    sampler = job.make_sampler(job.recipe)
    pool = WorkerPool(
        job.finisher(sampler),
        workers,
        ahead=BATCHES_AHEAD * job.recipe.sampling.batch_size,
        given_up=lost_to_worker,
        on_death=lambda: watcher.incident("worker died"),
    )
    opened: deque[Opened] = deque()

    def stream() -> Iterator[Candidate | Skipped]:
        for number in numbers:
            own = items(number)
            opened.append(Opened(number, len(own)))
            yield from candidates(sampler, own, job.recipe)

    try:
        for result in pool.results(stream()):
            current = opened[0]
            current.results.append(result)
            watcher.settled(tally_of([result]))
            if len(current.results) == current.expected:
                yield current.number, opened.popleft().results
    finally:
        pool.close()


def lost_to_worker(task: Candidate | Skipped) -> Skipped:
    prompt = task.item.text if isinstance(task, Candidate) else task.prompt
    return Skipped(task.index, prompt, "worker died", "refining it ended the worker process, twice")


def shard_items(plan: PromptPlan, recipe: Recipe, number: int) -> dict[int, PromptItem]:
    """A shard's prompts by index."""
    return {index: plan[index] for index in shard_indices(recipe, number)}
