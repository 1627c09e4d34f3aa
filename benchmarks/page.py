"""Writes the tables of docs/results.md from results/, and that of README.md here from pieces.yaml.

    python -m benchmarks.page

On the page of results, what stands between `<!-- table: NAME -->` and `<!-- end -->` is the command, the
table and where it is from, as results/NAME.json has them; all else is written by hand.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.environment import ROOT
from benchmarks.pieces import HERE, Piece, pieces, rows_file
from benchmarks.report import Row, columns_of, shown

RESULTS_PAGE = ROOT / "docs" / "results.md"
BOARD_PAGE = HERE / "README.md"
TABLE = re.compile(r"(<!-- table: (?P<name>\S+) -->\n).*?(<!-- end -->)", re.S)
BOARD = re.compile(r"(<!-- pieces -->\n).*?(<!-- end -->)", re.S)
WIDTH = 90
NOT_MEASURED = "*Not measured yet: `make bench BENCH=full` does it.*"


def write_pages() -> None:
    found = pieces()
    for path, written in ((RESULTS_PAGE, results_page), (BOARD_PAGE, board_page)):
        path.write_text(written(path.read_text(encoding="utf-8"), found), encoding="utf-8")


def results_page(page: str, found: Mapping[str, Piece]) -> str:
    def block(marked: re.Match[str]) -> str:
        name = marked["name"]
        if name not in found:
            raise ValueError(f"docs/results.md: no piece of pieces.yaml leaves a table {name!r}")
        return f"{marked[1]}\n{measured(name, found[name])}\n\n{marked[3]}"

    return TABLE.sub(block, page)


def measured(name: str, piece: Piece) -> str:
    """The command, the table, and where it is from; or that there are no rows yet."""
    file = rows_file(name)
    if not file.exists():
        return NOT_MEASURED
    run = json.loads(file.read_text(encoding="utf-8"))
    table = "\n".join(lines(run["rows"], piece.columns))
    return f"```bash\n{wrapped(run['command'])}\n```\n\n{table}\n\n*{provenance(run)}*"


def lines(rows: Sequence[Row], wanted: Sequence[str]) -> Iterator[str]:
    """A table in Markdown, of the wanted columns or of all."""
    columns = [name for name in columns_of(rows) if not wanted or name in wanted]
    yield line(columns)
    yield line(["---"] * len(columns))
    for row in rows:
        yield line([shown(row.get(name)) for name in columns])


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def wrapped(command: str) -> str:
    """A long command over several lines, broken before its options.

    >>> print(wrapped("python -m benchmarks.peers" + " --peers 'some long folder'" * 4))
    python -m benchmarks.peers --peers 'some long folder' --peers 'some long folder' \\
        --peers 'some long folder' --peers 'some long folder'
    """
    first, *parts = re.split(r" (?=--)", " ".join(map(as_typed, shlex.split(command))))
    broken = [first]
    for part in parts:
        if len(broken[-1]) + len(part) > WIDTH:
            broken.append(f"    {part}")
        else:
            broken[-1] += f" {part}"
    return " \\\n".join(broken)


def as_typed(word: str) -> str:
    """Quoted where it must be."""
    return word if re.fullmatch(r"OMP_NUM_THREADS=\d+", word) else shlex.quote(word)


def provenance(run: Mapping[str, Any]) -> str:
    """Which run a table is from."""
    own = run["environment"]
    versions = f"version {own['diffusers-attnmask']} ({run['commit']}), PyTorch {own['torch']}"
    libraries = f"diffusers {own['diffusers']}, transformers {own['transformers']}, Python {own['python']}"
    machine = f"{own.get('gpu') or own['processor']}, {own['cores']} cores, {own['threads']} threads"
    return f"{run['date']}: {versions}, {libraries}; models {own['models']}; {machine}."


def board_page(page: str, found: Mapping[str, Piece]) -> str:
    return BOARD.sub(lambda marked: f"{marked[1]}\n{chr(10).join(board(found))}\n\n{marked[2]}", page)


def board(found: Mapping[str, Piece]) -> Iterator[str]:
    yield "| piece | question | time | what a reader may conclude |"
    yield "|---|---|---|---|"
    anchors = sections(RESULTS_PAGE.read_text(encoding="utf-8"))
    for name, piece in found.items():
        shown_as = f"`{name}`" if name not in anchors else f"[`{name}`](../docs/results.md#{anchors[name]})"
        yield f"| {shown_as} | {piece.question} | {duration(piece.minutes)} | {piece.concludes} |"


def sections(page: str) -> dict[str, str]:
    """The anchor of the heading under which each table stands."""
    found, anchor = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            anchor = re.sub(r"[^\w -]", "", line[3:].lower()).replace(" ", "-")
        elif marked := re.fullmatch(r"<!-- table: (\S+) -->", line):
            found[marked[1]] = anchor
    return found


def duration(minutes: int) -> str:
    """
    >>> duration(20), duration(240)
    ('20 minutes', '4 hours')
    """
    return f"{minutes} minutes" if minutes < 90 else f"{minutes / 60:.0f} hours"


if __name__ == "__main__":
    write_pages()
