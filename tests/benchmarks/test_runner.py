"""The runner of the board: pieces of the test's own, each a process."""

import json

import pytest

import benchmarks.__main__ as runner
from benchmarks import environment, pieces, report
from benchmarks.pieces import Piece

WORKS = """
import sys
from pathlib import Path
from benchmarks.report import report

path = Path(sys.argv[sys.argv.index("--json") + 1])
sys.argv = ["attnmask", "train", "--data", str(path)]  # as a stage leaves it that runs in this process
report("Works", [{"row": 1, "value": 0.123456789}], {"seed": 0, "json": path}, path)
"""


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A root with two benchmarks, of which one fails; pieces of them."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/works.py").write_text(WORKS)
    (tmp_path / "benchmarks/fails.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{environment.ROOT}")
    told = {"question": "?", "concludes": "!", "minutes": 1, "quick": "--few"}
    found = {"fails": Piece(**told, full=""), "works": Piece(**told, full="--many 2", threads=1)}
    monkeypatch.setattr(runner, "pieces", lambda: found)
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    monkeypatch.setattr(pieces, "ROOT", tmp_path)
    monkeypatch.setattr(pieces, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(runner, "write_pages", lambda: (tmp_path / "page").write_text("written"))
    return tmp_path


def test_a_piece_that_fails_does_not_stop_the_others(board, capsys):
    with pytest.raises(SystemExit) as ended:
        runner.main("quick")
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "FAILED" in said.out and "exit code 3" in said.out
    assert said.err == "1 failed: fails\n"
    assert json.loads((board / "bench/quick/works.json").read_text())["rows"] == [
        {"row": 1, "value": 0.12346}
    ]


def test_quick_figures_touch_neither_the_page_nor_its_rows(board):
    runner.main("quick", only=["works"])
    assert not (board / "page").exists()
    assert not (board / "results").exists()


def test_a_full_piece_is_left_out_whose_rows_are_todays(board, capsys):
    runner.main("full", only=["works"])
    file = board / "results/works.json"
    kept = json.loads(file.read_text())
    assert kept["command"] == "OMP_NUM_THREADS=1 python -m benchmarks.works --many 2"
    assert kept["environment"]["threads"] == 1
    assert (board / "page").exists()
    runner.main("full", only=["works"])
    assert "has its rows" in capsys.readouterr().out
    file.write_text(json.dumps({**kept, "environment": {**kept["environment"], "models": "others"}}))
    runner.main(only=["works"], listed=True)
    assert "of other models" in capsys.readouterr().out
    runner.main("full", only=["works"])
    assert json.loads(file.read_text())["rows"] == kept["rows"]
    assert json.loads(file.read_text())["environment"]["models"] == environment.models()


def test_a_name_that_is_no_piece_is_refused(board):
    with pytest.raises(Exception, match="nothing is none of fails, works"):
        runner.main(only=["nothing"])


def test_rows_of_several_seeds_are_one_row_of_lists():
    runs = [[{"arm": "a", "pairs": 3, "mean IoU": own}] for own in (0.9, 0.92)]
    assert report.over_seeds(runs) == [{"arm": "a", "pairs": 3, "mean IoU": [0.9, 0.92]}]
    assert report.over_seeds(runs[:1]) == runs[0]


def test_what_only_some_seeds_have_is_told_of_those():
    runs = [[{"arm": "(e) (c)", "pairs": 3}], [{"arm": "(e) (d)", "pairs": 4, "mean IoU": 0.92}]]
    told = report.over_seeds(runs)
    assert told == [{"arm": "(e) (c) / (e) (d)", "pairs": [3, 4], "mean IoU": [None, 0.92]}]
    assert [report.shown(value) for value in told[0].values()] == [
        "(e) (c) / (e) (d)",
        "3.500 ± 0.707",
        "0.920",
    ]
