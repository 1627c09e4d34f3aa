"""Shards by the actors of a cluster, each of which makes whole ones and tells of their pairs meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from dataset_builder.building.job import Job, ShardPrompts, Watcher
from dataset_builder.building.layout import ShardName
from dataset_builder.building.shard import Shard, tally_of
from dataset_builder.building.tally import Tally
from dataset_builder.engine.cluster import Actors

PAUSE = 0.01  # seconds between two messages of an actor; to draw and refine a pair takes longer


@dataclass(frozen=True)
class Settled:
    """What became of pairs of a shard, in the order in which its actor settles them, from one of them on."""

    shard: ShardName
    first: int
    tallies: list[Tally]


def cluster_shards(actors: Actors, asked: Iterable[ShardPrompts], watcher: Watcher) -> Iterator[Shard]:
    """Shards, encoded, in the order in which they are done."""
    known: Counter[ShardName] = Counter()  # pairs of shards that are being made

    def hear(told: Settled) -> None:
        """A shard whose actor died is made once more, with the same pairs in the same order."""
        new = told.tallies[max(known[told.shard] - told.first, 0) :]
        for tally in new:
            watcher.settled(tally)
        known[told.shard] += len(new)

    for shard in actors.told(telling, asked, hear):
        del known[shard.name]
        yield shard


def telling(job: Job, asked: ShardPrompts) -> Generator[Settled, None, Shard]:
    """What an actor does for a shard."""
    results, tallies, told = [], [], time.monotonic()
    for result in job.results(asked.prompts):
        results.append(result)
        tallies.append(tally_of([result]))
        if time.monotonic() - told >= PAUSE or len(results) == len(asked.prompts):
            yield Settled(asked.name, len(results) - len(tallies), tallies)
            tallies, told = [], time.monotonic()
    return job.encode(asked.name, results)
