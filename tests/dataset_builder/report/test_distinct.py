"""Different things are counted exactly while they are few, and closely when they are many."""

import random

import pytest

from dataset_builder.report import distinct
from dataset_builder.report.distinct import DistinctCount


def words(count: int) -> list[str]:
    return [f"a prompt of its own, {number}" for number in range(count)]


def test_few_are_counted_exactly():
    count = DistinctCount()
    count.add(words(500))
    count.add(words(700))
    assert (count.count, count.exact) == (700, True)


def test_many_are_counted_closely_and_few_of_them_are_held(monkeypatch):
    monkeypatch.setattr(distinct, "MOST", 1 << 12)
    count = DistinctCount()
    for start in range(0, 200_000, 100):
        count.add(f"word {number}" for number in range(start, start + 150))
        assert len(count.kept) <= 1 << 12
    assert not count.exact
    assert count.count == pytest.approx(200_050, rel=4 * 1.2 / 2**6)  # four standard errors


def test_what_is_held_depends_on_the_things_alone(monkeypatch):
    monkeypatch.setattr(distinct, "MOST", 64)
    things = words(3000)
    whole = DistinctCount()
    whole.add(things)
    random.Random(0).shuffle(things)
    parts = [DistinctCount() for _ in range(7)]
    for number, part in enumerate(parts):
        part.add(things[number::5])  # some are in two parts
    first, *others = parts
    for other in others:
        first.merge(other)
    assert first == whole
