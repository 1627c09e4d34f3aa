"""Ways are timed turn by turn, and compared with their neighbours in time."""

import pytest

from benchmarks.timing import turns
from benchmarks.timing.turns import Turns


def test_a_ratio_is_the_median_of_the_turns_and_not_of_the_times(monkeypatch):
    moments = iter(
        [0.0, 1.0, 1.0, 3.0, 10.0, 20.0, 20.0, 50.0, 60.0, 64.0, 64.0, 68.0]
    )  # two ways, three turns
    monkeypatch.setitem(turns.CLOCKS, "wall", lambda: next(moments))
    found = Turns()
    results = [found.take({"ours": lambda own=own: own, "theirs": lambda: "other"}) for own in range(3)]
    assert results == [{"ours": own, "theirs": "other"} for own in range(3)]
    assert found.seconds == {"ours": [1.0, 10.0, 4.0], "theirs": [2.0, 30.0, 4.0]}
    assert found.median("ours") == found.median("theirs") == 4.0
    assert found.ratio("theirs", "ours") == pytest.approx(2.0)
