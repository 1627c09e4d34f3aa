"""What the ids of a dataset folder's masks are called, when no file beside it says so."""

from __future__ import annotations

import pytest

from dataset_builder.dataset_folder import class_names, read_pairs
from dataset_builder.hub.dataset_summary import summary_of
from tests.train_segmenter.shapes import labelled

ROAD = ["road", "car"]


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        ([([0, 0, 2, 255], [1])], ("background", "road", "car")),
        ([([0, 0, 1, 255], [0, 1]), ([1, 1, 1, 1], [1])], ("road", "car")),
    ],
)
def test_rows_tell_whether_labels_leave_a_background_out(pairs, names, tmp_path):
    labelled(ROAD, pairs).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    assert class_names(tmp_path) == names
    assert summary_of(tmp_path).class_names == names
    for pair, (ids, _) in zip(read_pairs(tmp_path), pairs, strict=True):
        assert pair.mask.tolist() == [ids]


def test_rows_that_do_not_tell_are_asked_about(tmp_path):
    labelled(ROAD, [([1, 1, 1, 1], [0, 1])]).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=r"does not say what id 0 of its masks is.*Put id2label\.json"):
        class_names(tmp_path)
