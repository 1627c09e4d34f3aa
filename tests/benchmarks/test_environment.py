"""Of which code rows are: a checkout's commit, and whether its files differ from it."""

from benchmarks import environment
from benchmarks.environment import commit, git


def test_files_that_a_board_writes_are_no_other_code(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    rows, code = tmp_path / "benchmarks/results/peers.json", tmp_path / "benchmarks/peers.py"
    rows.parent.mkdir(parents=True)
    for file in (rows, code):
        file.write_text("one")
    assert commit() is None  # no checkout
    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "first")
    clean = git("rev-parse", "--short", "HEAD")
    rows.write_text("two")
    assert commit() == clean
    code.write_text("two")
    assert commit() == f"{clean}-dirty"
