"""JSON of files is read strictly, and what is wrong is one line with the file."""

from __future__ import annotations

import math

import pytest

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.json_files import read_json, read_json_lines


def test_objects_and_lists_are_read(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"a": [1, "é"]}', encoding="utf-8-sig")
    assert read_json(file) == {"a": [1, "é"]}
    file.write_text("[1]")
    assert read_json(file, list) == [1]


def test_infinities_are_numbers_where_they_are_expected(tmp_path):
    """As in the scheduler's config of Sana, which diffusers writes."""
    file = tmp_path / "a.json"
    file.write_text('{"lowest": -Infinity, "highest": Infinity}')
    assert read_json(file, infinities=True) == {"lowest": -math.inf, "highest": math.inf}
    with pytest.raises(DamagedFile, match="-Infinity is no number of JSON"):
        read_json(file)
    file.write_text('{"a": NaN}')
    with pytest.raises(DamagedFile, match="NaN is no number of JSON"):
        read_json(file, infinities=True)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not valid JSON: it is empty"),
        (b'{"a": 1,\n "b" 2}', "is not valid JSON: line 2: Expecting ':'"),
        (b'{"a": "\xff"}', "is not valid JSON: 'utf-8' codec"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' is given twice"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not valid JSON: Exceeds the limit"),
        (b"[]", "should hold an object of names and values, not list"),
        (b"null", "should hold an object of names and values, not NoneType"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, content, complaint):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(DamagedFile) as refused:
        read_json(file)
    assert str(refused.value).startswith(f"{file} ") and complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_text_within_a_line_may_hold_what_ends_lines_elsewhere(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": "x\u2028y"}\n\n{"a": "z\x85"}\n', encoding="utf-8")
    assert read_json_lines(tmp_path / "rows.jsonl") == [{"a": "x\u2028y"}, {"a": "z\x85"}]
