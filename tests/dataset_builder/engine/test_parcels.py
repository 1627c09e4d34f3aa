"""Large results come out of a worker as they are, through a file of which nothing is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataset_builder.engine.parcels import LEAST, Parcel, packed, unpacked
from dataset_builder.engine.pool import WorkerPool


def large(kind: str) -> object:
    array = np.arange(LEAST, dtype=np.uint8).reshape(64, -1)
    texts = [str(own) * 9 for own in range(LEAST // 16)]
    return {"array": array, "table": pa.table({"text": texts, "bytes": [b"\0\1"] * len(texts)})}.get(
        kind, {"a.png": bytes(LEAST), "b.png": b"few"}
    )


def equal(one: object, other: object) -> bool:
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else one == other


@pytest.mark.parametrize("kind", ["array", "table", "files"])
def test_a_large_result_comes_back_equal_and_leaves_no_file(kind, tmp_path):
    parcel = packed(large(kind), str(tmp_path))
    assert isinstance(parcel, Parcel) and list(tmp_path.iterdir()) == [Path(parcel.file)]
    assert equal(unpacked(parcel), large(kind))
    assert not list(tmp_path.iterdir())


def test_an_array_can_be_written_to_as_if_it_had_been_made_here(tmp_path):
    array = unpacked(packed(large("array"), str(tmp_path)))
    array[0, 0] = 7
    assert array[0, 0] == 7


def test_a_small_result_needs_no_file(tmp_path):
    small = {"few": b"bytes"}
    assert packed(small, str(tmp_path)) is small and not list(tmp_path.iterdir())


def test_without_room_a_result_goes_as_it_is(tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def writelines(self, pieces):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.open", lambda *own: Full())
    result = large("array")
    assert packed(result, str(tmp_path)) is result
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


def test_they_go_through_a_pool_in_order_and_its_folder_goes_with_it():
    pool = WorkerPool(large, 2, ahead=4, given_up=large)
    folder = Path(pool.parcels.name)
    found = list(pool.results(["array", "table", "files"] * 3))
    pool.close()
    assert all(map(equal, found, map(large, ["array", "table", "files"] * 3)))
    assert not folder.exists()
