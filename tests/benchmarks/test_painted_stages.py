"""Many painted pairs are few of them again, under names and prompts of their own."""

from benchmarks.stages import painted_stages
from benchmarks.stages.painted_stages import painted
from dataset_builder.dataset_folder import read_pairs


def test_many_pairs_are_different_ones_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(painted_stages, "PAINTED", 8)
    pairs = list(read_pairs(painted(tmp_path, 20, 16)))
    assert len({pair.name for pair in pairs}) == len({pair.row["prompt"] for pair in pairs}) == 20
    assert all((pairs[9].mask == pairs[own].mask).all() for own in (1, 17))
    assert len(list((tmp_path / "20" / "data").iterdir())) == 3
