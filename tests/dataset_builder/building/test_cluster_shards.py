"""Actors tell of pairs while their shard is made; a shard that is made twice is counted once."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.building import cluster_shards as room
from dataset_builder.building.cluster_shards import cluster_shards, telling
from dataset_builder.building.job import Job, ShardPrompts, Watcher
from dataset_builder.building.layout import layout_of, plan_of
from dataset_builder.building.local_engine import local_shards
from dataset_builder.building.shard import Shard
from dataset_builder.building.tally import Tally


class Dying:
    """An actor that dies after so many messages of its first shard, and another in its place."""

    def __init__(self, job: Job, messages: int) -> None:
        self.job, self.messages = job, messages

    def told(self, function, tasks, hear) -> Iterator[Shard]:
        for number, task in enumerate(tasks):
            if not number:
                steps = function(self.job, task)
                for _ in range(self.messages):
                    hear(next(steps))
            steps = function(self.job, task)
            while True:
                try:
                    hear(next(steps))
                except StopIteration as end:
                    yield end.value
                    break


def job_and_shards(recipe) -> tuple[Job, list[ShardPrompts]]:
    vocabulary = recipe.open_vocabulary()
    layout = layout_of(recipe, plan_of(recipe, vocabulary))
    job = Job(recipe, vocabulary, "identity", PaintedSampler(blanked=0.3, empty=0.2))
    return job, [ShardPrompts(name, layout.prompts(name)) for name in layout.shards]


def test_every_pair_is_told_once_and_before_its_shard(recipe, monkeypatch):
    monkeypatch.setattr(room, "PAUSE", 0)
    job, asked = job_and_shards(recipe)
    told, whole = [], Tally()
    watcher = Watcher(settled=lambda tally: told.append(tally.handled))
    shards = cluster_shards(Dying(job, messages=3), asked, watcher)  # type: ignore[arg-type]
    for shard in shards:
        whole.add(shard.tally)
        assert len(told) == whole.handled
    assert told == [1] * recipe.pairs


def test_the_shards_are_those_of_one_process(recipe):
    job, asked = job_and_shards(recipe)
    alone = list(local_shards(job, asked, 0, Watcher()))
    assert list(cluster_shards(Dying(job, messages=1), asked, Watcher())) == alone  # type: ignore[arg-type]


def test_messages_are_few_where_pairs_are_quick(recipe, monkeypatch):
    job, asked = job_and_shards(recipe)
    monkeypatch.setattr(room, "PAUSE", 3600)
    (only,) = telling(job, asked[0])
    assert (only.first, len(only.tallies)) == (0, len(asked[0].prompts))
