"""A build that is killed again and again ends with the bytes of one that never was."""

from __future__ import annotations

import pytest

from benchmarks.kill_resume import folder_bytes, killed_build, whole_build


@pytest.mark.parametrize("workers", [0, 1])
def test_sigkill_at_random_moments_changes_no_byte(tmp_path, workers):
    expected = folder_bytes(whole_build(tmp_path / "whole" / "shapes"))
    assert len(expected) > 8
    kills = 20 if workers == 0 else 3
    killed = tmp_path / "killed" / "shapes"
    assert killed_build(killed, kills, seed=5, workers=workers) == kills
    assert folder_bytes(killed) == expected
