"""YAML files say what they hold, and nothing in them is lost or guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from diffusers_attnmask.ground.yaml_files import read_value, read_yaml

LAUGHS = "l0: &l0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"l{own}: &l{own} [{', '.join([f'*l{own - 1}'] * 9)}]\n" for own in range(1, 9)
)  # a few lines that stand for 400 million entries


def read(tmp_path: Path, text: str) -> dict[str, Any]:
    file = tmp_path / "own.yaml"
    file.write_text(text, encoding="utf-8")
    return read_yaml(file, "a recipe")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "own.yaml is not valid YAML: line 3: 'a' is given twice"),
        ("a: {b: 1, b: 1}", "'b' is given twice"),
        ("a: {1: x, 1: y}", "'1' is given twice"),
        ("a: {16: x, 0x10: y}", "'0x10' is given twice"),
        ("a: " + "[" * 5000, "it is nested too deeply"),
        ("a: " + "[" * 60 + "]" * 60, "it is nested deeper than 50 lists and mappings"),
        ("a: &a [1, *a]", "or holds itself"),
        (LAUGHS, "it holds more than 1,000,000 entries"),
        ("a: " + "9" * 5000, "own.yaml is not valid YAML"),
        ("a: " + "x" * 9_000_000, "own.yaml is not a recipe: it has more than 8,388,608 bytes"),
        ("- a", "own.yaml is not a recipe: it must be a list of `name: value` lines"),
        ("", "own.yaml is not a recipe"),
        ("a: [", "own.yaml is not valid YAML"),
        ("a: !!python/object:os.system x", "own.yaml is not valid YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"own\.yaml is not valid YAML"):
        read_yaml(tmp_path / "own.yaml", "a recipe")


def test_yaml_reads_numbers_as_people_write_them_and_leaves_dates_alone(tmp_path):
    content = read(tmp_path, "a: 1e-4\nb: 2E3\nc: 2024-01-31\nd: 1.5\ne: 12\nf: e5\ng: 1_000\n")
    assert content == {"a": 1e-4, "b": 2000.0, "c": "2024-01-31", "d": 1.5, "e": 12, "f": "e5", "g": 1000}
    merged = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n"
    assert read(tmp_path, merged)["own"] == {"a": 1, "b": 3}
    assert yaml.safe_load("a: 2024-01-31")["a"] != "2024-01-31"  # the loader of everyone else is untouched


def test_a_value_that_is_no_yaml_is_one_clear_error():
    with pytest.raises(ValueError, match=r"^'\[1, 2' is not valid YAML: line 1: expected"):
        read_value("[1, 2")


def test_numbers_are_as_people_write_them():
    written = ["7", "-.5", "1_000", "0x10", "1e3", "2.5e-1", "007.5", ".inf", "010", "1:30", "1:30.5", "0o10"]
    read = [7, -0.5, 1000, 16, 1000.0, 0.25, 7.5, float("inf"), "010", "1:30", "1:30.5", "0o10"]
    assert [read_value(own) for own in written] == read
