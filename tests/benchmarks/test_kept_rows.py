"""A long benchmark goes on after the commands that a stopped run has measured."""

from benchmarks.stages.kept_rows import KeptRows


def test_a_row_is_measured_once_for_its_settings(tmp_path):
    measured = []

    def measure():
        measured.append(len(measured))
        return {"command": "push (card)", "kills": measured[-1]}

    for settings, expected in (({"kills": 2}, 0), ({"kills": 2}, 0), ({"kills": 3}, 1), ({"kills": 2}, 2)):
        row = KeptRows(tmp_path / "work", settings).row("push (card)", measure)
        assert row == {"command": "push (card)", "kills": expected}
    assert KeptRows(tmp_path / "work", {"kills": 2}).row("build", measure)["kills"] == 3
    assert KeptRows(None, {"kills": 2}).row("build", measure)["kills"] == 4
    assert len(list(tmp_path.rglob("*"))) == 3, "the folder and two rows, and none of a run without a folder"
