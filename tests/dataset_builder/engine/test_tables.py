"""Large tables come out of a worker as they are, through a file of which nothing is left."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dataset_builder.engine.pool import WorkerPool
from dataset_builder.engine.tables import LEAST, received, sent


def large(count: int = LEAST // 16) -> pa.Table:
    texts = [str(own) * 9 for own in range(count)]
    table = pa.table({"text": texts, "bytes": [b"\0\1"] * len(texts)})
    return table.replace_schema_metadata({"of": "a shard"})


def test_a_large_table_comes_back_equal_and_leaves_no_file(tmp_path):
    make, words = sent(large(), str(tmp_path))
    assert make is received and [str(own) for own in tmp_path.iterdir()] == list(words)
    found = make(*words)
    assert found.equals(large(), check_metadata=True)
    assert not list(tmp_path.iterdir())


def test_a_part_of_a_table_takes_no_room_of_the_other_rows(tmp_path):
    rows = len(large()) // 2
    make, (file,) = sent(large(2 * len(large())).slice(rows, rows), str(tmp_path))
    assert Path(file).stat().st_size < 1.2 * large().nbytes
    assert make(file).equals(large(2 * len(large())).slice(rows, rows))


def test_a_small_table_needs_no_file(tmp_path):
    make, words = sent(large(9), str(tmp_path))
    assert make(*words).equals(large(9)) and not list(tmp_path.iterdir())


def test_without_room_a_table_goes_through_the_pipe(tmp_path, monkeypatch):
    def full(*own):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa.ipc, "new_file", full)
    make, words = sent(large(), str(tmp_path))
    assert make(*words).equals(large()) and not list(tmp_path.iterdir())


def made(count: int) -> tuple[int, pa.Table]:
    return count, large(count)


@pytest.mark.parametrize("count", [9, LEAST // 16])
def test_they_go_through_a_pool_in_order_and_its_folder_goes_with_it(count):
    pool = WorkerPool(made, 2, ahead=4, given_up=made)
    folder = Path(pool.tables.name)
    found = list(pool.results(range(count, count + 6)))
    pool.close()
    assert [number for number, _ in found] == list(range(count, count + 6))
    assert all(table.equals(large(number), check_metadata=True) for number, table in found)
    assert not folder.exists()
