"""Datasets made from others, shard by shard: the same bytes whoever makes them, and none made twice."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import datasets
import pytest

from dataset_builder.derived_shards import SHARD_SIZE, DerivedRows, write_shards
from dataset_builder.engine.spans import Span, spans
from dataset_builder.engine.workers import Alone

FEATURES = datasets.Features({"id": datasets.Value("string"), "quality": datasets.Value("float32")})
LENGTHS = {"train": 2 * SHARD_SIZE + 5, "test": 0}


def rows(asked: list[str], span: Span) -> Iterator[dict]:
    asked.append(str(span))
    return ({"id": f"{span.split}-{number}", "quality": number / 7} for number in span.numbers)


@dataclass(frozen=True)
class Disordered:
    """Workers who are done in any order."""

    stage: list[str]

    def results(self, function, tasks: Iterable) -> Iterator:
        found = [function(self.stage, task) for task in tasks]
        random.Random(0).shuffle(found)
        return iter(found)


def written(folder, workers=Alone, identity="a"):
    asked: list[str] = []
    advanced: list[int] = []
    derived = DerivedRows(LENGTHS, rows, FEATURES, identity)
    write_shards(derived, folder, workers(asked), advanced.append)
    assert sum(advanced) == len(derived) == LENGTHS["train"]
    return asked, {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


def test_rows_are_in_their_files_in_order(tmp_path):
    _, files = written(tmp_path)
    assert list(files) == [f"train-{number:05d}-of-00003.parquet" for number in range(3)]
    read = datasets.load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))
    assert read["id"] == [f"train-{number}" for number in range(LENGTHS["train"])]
    assert read.features == FEATURES


def test_the_order_of_the_workers_changes_no_byte(tmp_path):
    assert written(tmp_path / "a")[1] == written(tmp_path / "b", Disordered)[1]


def test_only_what_is_missing_or_not_whole_is_made_again(tmp_path):
    _, whole = written(tmp_path)
    data = tmp_path / "data"
    (data / "train-00001-of-00003.parquet").unlink()
    (data / "train-00002-of-00003.parquet").write_bytes(b"PAR1")
    (data / "train-00000-of-00009.parquet").write_bytes(b"of another run")
    asked, again = written(tmp_path)
    assert again == whole
    assert {int(own.removeprefix("train-")) // SHARD_SIZE for own in asked} == {1, 2}


def test_shards_of_something_else_are_made_anew(tmp_path):
    written(tmp_path)
    asked, _ = written(tmp_path, identity="b")
    assert len(asked) == len(list(spans(LENGTHS)))


@pytest.mark.parametrize(("length", "parts"), [(0, []), (3, [(0, 2), (2, 3)]), (4, [(0, 2), (2, 4)])])
def test_spans_cover_every_pair_once(length, parts):
    assert [(own.start, own.stop) for own in spans({"train": length}, 2)] == parts
