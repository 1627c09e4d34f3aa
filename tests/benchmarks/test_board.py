"""The pages tell what the files of rows hold, and every piece of the board is one that could be run."""

import ast
import importlib
import json
import re
import shlex

import pytest
import typer

from benchmarks import page
from benchmarks.environment import ROOT
from benchmarks.pieces import HERE, RESULTS, benchmark, pieces, words

PIECES = pieces()
BOARD = ("__main__", "environment", "page", "pieces", "report")
SCREEN = 110  # lines below what a file says of itself


@pytest.mark.parametrize(
    ("path", "written"), [(page.RESULTS_PAGE, page.results_page), (page.BOARD_PAGE, page.board_page)]
)
def test_a_page_is_what_its_sources_say(path, written):
    text = path.read_text(encoding="utf-8")
    assert text == written(text, PIECES), "run: python -m benchmarks.page"


def test_every_table_of_a_piece_stands_on_the_page_and_every_file_of_rows_is_one():
    told = PIECES.keys()
    assert page.sections(page.RESULTS_PAGE.read_text(encoding="utf-8")).keys() == told
    assert {file.stem for file in RESULTS.glob("*.json")} <= told


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_rows_tell_a_command_of_their_own_benchmark_that_names_no_place_of_a_machine(file):
    command = shlex.split(json.loads(file.read_text(encoding="utf-8"))["command"])
    own = ["python", "-m", f"benchmarks.{benchmark(file.stem)}"]
    start = command.index("python")
    assert command[start : start + 3] == own
    assert all(re.fullmatch(r"OMP_NUM_THREADS=\d+", word) for word in command[:start])
    assert not [word for word in command if word.startswith(("/", "~"))]


def test_a_number_that_was_changed_by_hand_is_noticed():
    text = page.RESULTS_PAGE.read_text(encoding="utf-8")
    number = re.search(r"0\.\d{3}", text)[0]
    assert page.results_page(text.replace(number, "0.999"), PIECES) != text.replace(number, "0.999")


def test_the_page_of_methods_and_the_readme_tell_the_scores_of_the_rows():
    titles = ("one object", "two objects")
    told = [
        {row["method"]: [f"{row[title]:.3f}" for title in titles] for row in rows_of(name)}
        for name in ("mask_quality", "mask_quality-transformer")
    ]
    methods = (ROOT / "docs" / "which-method.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\S+)` \|((?: (?:\d\.\d+)? ?\|){4})$", methods, re.M)
    assert len(lines) > 5
    for method, text in lines:
        cells = [cell.strip() for cell in text.split("|")]
        for found, own in zip((cells[:2], cells[2:4]), told, strict=True):
            assert found in (["", ""], own.get(method)), method
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    best = [round(float(score), 2) for score in told[0]["dataset-diffusion"]]
    assert "mean IoU {:.2f} for one object and {:.2f} for two".format(*best) in readme


def test_the_readme_tells_the_costs_of_the_rows():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for names in (("attention_cost",), ("attention_cost-sd3", "attention_cost-flux")):
        costs = [
            row["× plain"] for name in names for row in rows_of(name) if row["recording"] != "every map, kept"
        ]
        assert f"{min(costs):.3f} to {max(costs):.3f} ×" in readme


def rows_of(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize("setting", ["quick", "full"])
@pytest.mark.parametrize("name", PIECES)
def test_a_piece_has_options_that_its_benchmark_takes(name, setting):
    if PIECES[name].missing():
        pytest.skip(f"without {PIECES[name].missing()}")
    app = typer.Typer(add_completion=False)
    app.command()(importlib.import_module(f"benchmarks.{benchmark(name)}").main)
    typer.main.get_command(app).make_context(name, words(name, PIECES[name], setting))


def test_every_file_here_is_a_benchmark_or_the_board_and_the_shared_ones_are_told():
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)\.py`", readme))
    assert {file.stem for file in HERE.glob("*.py")} == {*map(benchmark, PIECES), *BOARD}
    assert named == {*BOARD, *(file.stem for file in HERE.glob("*/*.py"))}


@pytest.mark.parametrize("name", dict.fromkeys(map(benchmark, PIECES)))
def test_a_benchmark_is_a_screen_of_its_own_code(name):
    text = (HERE / f"{name}.py").read_text(encoding="utf-8")
    told = ast.parse(text).body[0].end_lineno
    assert len(text.splitlines()) - told <= SCREEN


def test_a_table_without_rows_is_said_to_be_none():
    text = "<!-- table: peers-none -->\n\n| an | old |\n|---|---|\n\n<!-- end -->"
    written = page.results_page(text, {"peers-none": PIECES["peers"]})
    assert written == f"<!-- table: peers-none -->\n\n{page.NOT_MEASURED}\n\n<!-- end -->"


def test_a_table_of_no_piece_is_an_error():
    with pytest.raises(ValueError, match="'nowhere'"):
        page.results_page("<!-- table: nowhere -->\n<!-- end -->", PIECES)


def test_what_was_run_stands_beside_its_table(tmp_path, monkeypatch):
    file = tmp_path / "peers.json"
    environment = {
        "diffusers-attnmask": "9.9",
        "torch": "2.0",
        "diffusers": "0.1",
        "transformers": "5",
        "python": "3",
    }
    environment |= {"models": "abc", "processor": "A Processor", "cores": 2, "threads": 1}
    run = {"command": "python -m benchmarks.peers", "date": "2026-01-02", "commit": "0123abc"}
    file.write_text(
        json.dumps({**run, "environment": environment, "rows": [{"recorder": "plain", "s": [0.9, 1.1]}]})
    )
    monkeypatch.setattr(page, "rows_file", lambda name: file)
    written = page.measured("peers", PIECES["peers"])
    assert "| plain | 1.000 ± 0.141 |" in written
    assert all(own in written for own in ("2026-01-02", "9.9", "0123abc", "A Processor, 2 cores, 1 threads"))
