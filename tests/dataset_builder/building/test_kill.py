"""A build that is killed again and again ends with the bytes of one that never was, workers or none."""

from __future__ import annotations

import signal
from functools import partial

import pytest

from benchmarks.fault_stages import Stage, painted
from benchmarks.kill_resume import killed_over_and_over


@pytest.mark.parametrize(("workers", "kills"), [(0, 20), (1, 3)])
def test_sigkill_at_random_moments_changes_no_byte(tmp_path, workers, kills):
    stage = Stage("build", partial(painted, workers=workers))
    row = killed_over_and_over(stage, tmp_path, kills, seed=5, signals=[signal.SIGKILL])
    assert (row["kills"], row["names"]) == (kills, [])
    assert row["files"] == 8
