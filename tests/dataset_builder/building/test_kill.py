"""A build that is killed again and again ends with the bytes of one that never was, workers or none."""

from __future__ import annotations

import signal
from functools import partial

import pytest
from huggingface_hub import constants

from benchmarks.kill_resume import killed_over_and_over
from benchmarks.stages.fault_stages import painted
from benchmarks.stages.forked_runs import Stage
from diffusers_attnmask.ground.places import own_place


@pytest.mark.parametrize(("workers", "kills"), [(0, 20), (1, 3)])
def test_sigkill_at_random_moments_changes_no_byte(tmp_path, workers, kills):
    stage = Stage("build", partial(painted, workers=workers))
    row = killed_over_and_over(stage, tmp_path, kills, seed=5, signals=[signal.SIGKILL])
    assert (row["kills"], row["names"]) == (kills, [])
    assert row["files"] == 8


def painted_elsewhere(out):
    with own_place(f"file://{out}", "build") as place:
        painted(place.folder, workers=0, on_shard=place.send)


def test_sigkill_changes_no_byte_in_a_storage(tmp_path, monkeypatch):
    """Files that were cut off on their way there are sent anew."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "cache"))
    (tmp_path / "storage").mkdir()
    row = killed_over_and_over(
        Stage("build", painted_elsewhere), tmp_path / "storage", kills=10, seed=5, signals=[signal.SIGKILL]
    )
    assert (row["kills"], row["names"]) == (10, [])
    assert row["files"] == 8
