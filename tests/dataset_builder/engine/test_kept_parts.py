"""What workers found lies on the disk until a stage is complete, and is not looked for twice."""

from __future__ import annotations

from dataset_builder.engine.kept_parts import FOLDER, KeptParts, Part, remove_parts
from dataset_builder.engine.spans import Span, spans
from dataset_builder.engine.workers import Alone

ASKED = list(spans({"train": 5}, 2))


def squares(asked: list[str], span: Span) -> Part:
    asked.append(str(span))
    files = {f"pictures/{number}.png": bytes([number]) for number in span.numbers}
    return Part.of(span, [number**2 for number in span.numbers], files)


def made(folder, identity="a"):
    asked: list[str] = []
    advanced: list[int] = []
    parts = KeptParts(folder, "squares", identity)
    parts.make(Alone(asked), squares, ASKED, advanced.append)
    assert sum(advanced) == 5
    return parts, asked


def test_entries_come_in_order_and_files_where_they_belong(tmp_path):
    parts, asked = made(tmp_path)
    assert len(asked) == 3
    assert list(parts.entries(ASKED)) == [0, 1, 4, 9, 16]
    assert [(tmp_path / f"pictures/{number}.png").read_bytes() for number in range(5)] == [
        bytes([number]) for number in range(5)
    ]


def test_parts_that_are_there_are_not_made_again(tmp_path):
    parts, _ = made(tmp_path)
    next(parts.home.iterdir()).unlink()
    assert len(made(tmp_path)[1]) == 1


def test_parts_of_something_else_are_removed(tmp_path):
    before, _ = made(tmp_path)
    assert KeptParts(tmp_path, "squares", "a").begun
    after = KeptParts(tmp_path, "squares", "b")
    assert not after.begun and not before.home.exists()


def test_nothing_of_them_stays_at_the_end(tmp_path):
    made(tmp_path)
    remove_parts(tmp_path)
    assert not (tmp_path / FOLDER).exists()
    assert len(list((tmp_path / "pictures").iterdir())) == 5
