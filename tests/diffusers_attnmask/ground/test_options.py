"""Options are checked wherever they come from, and every fault is told in the project's own words."""

from __future__ import annotations

import enum
import json
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError, asdict, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import numpy as np
import pydantic
import pytest
import yaml

from diffusers_attnmask.ground.options import (
    SECTION,
    Count,
    Fault,
    NotNegative,
    OptionsError,
    Positive,
    Seed,
    Share,
    Shorthand,
    Whole,
    as_flags,
    json_schema,
    options,
    read_options,
)


class Shape(enum.Enum):
    ROUND = "round"
    SQUARE = "square"


@options
class Source:
    """Where captions come from; a path alone will do."""

    path: str
    weight: Positive = 1.0


def spelled_source(value: Any) -> Any:
    if value == "":
        raise ValueError("an empty path names no file")
    return {"path": value} if isinstance(value, str) else value


def listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


SourceForm = Annotated[Source, Shorthand(spelled_source, Source | str)]


@options
class Prompts:
    captions: Annotated[tuple[SourceForm, ...], Shorthand(listed, list[SourceForm] | SourceForm)] = ()
    weights: Mapping[int, float] = field(default_factory=dict)


@options
class Kitchen:
    """Every kind of option that the project has."""

    name: str
    steps: Count = 10
    warmup: Whole = 0
    seed: Seed = 0
    share: Share = 0.5
    rate: Positive = 1e-3
    clip: NotNegative = 0.0
    kind: Literal["png", "jpeg"] = "png"
    shape: Shape = Shape.ROUND
    maps: bool = False
    size: tuple[int, int] | None = None
    words: tuple[str, ...] = ()
    levels: Annotated[tuple[int, ...], pydantic.Field(min_length=1, max_length=3)] = (1,)
    crop: Annotated[int, pydantic.Field(multiple_of=8)] = 8
    limit: Annotated[int, pydantic.Field(gt=1, lt=9)] = 5
    code: Annotated[str, pydantic.Field(pattern="^[a-z]+$", min_length=2, max_length=4)] = "ab"
    model: str | Mapping[str, Any] = "own"
    threshold: Share | Literal["adaptive"] = "adaptive"
    scales: Count | tuple[float, ...] = 1
    factors: Sequence[float] = ()
    folder: Path | None = None
    prompts: Annotated[Prompts, SECTION] = field(default_factory=Prompts)

    def __post_init__(self) -> None:
        if self.warmup > self.steps:
            raise OptionsError([Fault("warmup", f" must be at most steps, {self.steps}, not {self.warmup}")])
        if self.maps and self.kind == "jpeg":
            raise ValueError("maps need the kind png")


def wrong(**values: Any) -> str:
    """What is said of a file's values."""
    with pytest.raises(OptionsError) as caught:
        read_options(Kitchen, {"name": "x", **values}, "own.yaml")
    return str(caught.value)


NOT_A_NUMBER, INFINITE = float("nan"), float("inf")
BAD = [
    ({"share": NOT_A_NUMBER}, "share must be a finite number, not nan"),
    ({"rate": INFINITE}, "rate must be a finite number, not inf"),
    ({"rate": -INFINITE}, "rate must be a finite number, not -inf"),
    ({"rate": 0}, "rate must be above 0, not 0"),
    ({"rate": "1e-4"}, "rate must be a number, not '1e-4'"),
    ({"rate": True}, "rate must be a number, not True"),
    ({"clip": -0.5}, "clip must be at least 0, not -0.5"),
    ({"share": 1.5}, "share must be at most 1, not 1.5"),
    ({"maps": "yes please"}, "maps must be true or false, not 'yes please'"),
    ({"maps": 1}, "maps must be true or false, not 1"),
    ({"maps": None}, "maps must be true or false, not None"),
    ({"steps": 2.5}, "steps must be a whole number, not 2.5"),
    ({"steps": True}, "steps must be a whole number, not True"),
    ({"steps": "ten"}, "steps must be a whole number, not 'ten'"),
    ({"steps": 0}, "steps must be at least 1, not 0"),
    ({"seed": -1}, "seed must be at least 0, not -1"),
    ({"seed": 2**63}, f"seed must be below {2**63}, not {2**63}"),
    ({"limit": 1}, "limit must be above 1, not 1"),
    ({"limit": 9}, "limit must be below 9, not 9"),
    ({"crop": 12}, "crop must be a multiple of 8, not 12"),
    ({"kind": "gif"}, "kind must be 'png' or 'jpeg', not 'gif'"),
    ({"shape": "oval"}, "shape must be 'round' or 'square', not 'oval'"),
    ({"name": 3}, "name must be text, not 3"),
    ({"name": False}, "name must be text, not False (YAML reads yes, no, on and off as true and false"),
    ({"code": "A1"}, "code must have the form ^[a-z]+$, not 'A1'"),
    ({"code": "a"}, "code must have at least 2 characters, not 'a'"),
    ({"code": "abcde"}, "code must have at most 4 characters, not 'abcde'"),
    ({"size": [64]}, "size must have 2 entries, not [64]"),
    ({"size": [64, 64, 3]}, "size must have at most 2 entries, not [64, 64, 3]"),
    ({"size": 64}, "size must be a list, not 64"),
    ({"size": [64, 0.5]}, "size[1] must be a whole number, not 0.5"),
    ({"words": "cat"}, "words must be a list, not 'cat'"),
    ({"words": ["cat", 3]}, "words[1] must be text, not 3"),
    ({"levels": []}, "levels must not be empty"),
    ({"levels": [1, 2, 3, 4]}, "levels must have at most 3 entries, not [1, 2, 3, 4]"),
    ({"factors": [1, "x"]}, "factors[1] must be a number, not 'x'"),
    ({"factors": "x"}, "factors must be a list, not 'x'"),
    ({"folder": 3}, "folder must be text, not 3"),
    ({"model": 3}, "model must be text or a mapping of options, not 3"),
    ({"threshold": 2}, "threshold must be at most 1 or 'adaptive', not 2"),
    ({"threshold": "high"}, "threshold must be a number or 'adaptive', not 'high'"),
    ({"scales": 0}, "scales must be at least 1 or a list, not 0"),
    ({"scales": [1, "x"]}, "scales[1] must be a number, not 'x'"),
    ({"stesp": 3}, "there is no option stesp: did you mean steps?"),
    ({"qqq": 3}, "there is no option qqq: it has name, steps,"),
    ({"prompts": 3}, "prompts must be a mapping of options, not 3"),
    ({"prompts": {"caption": "x"}}, "prompts has no option caption: did you mean captions?"),
    ({"prompts": {"captions": [{"path": "x", "weight": 0}]}}, "prompts.captions[0].weight must be above 0"),
    ({"prompts": {"captions": {"path": "x", "wieght": 1}}}, "prompts.captions[0] has no option wieght: did"),
    ({"prompts": {"captions": [{"weight": 2}]}}, "prompts.captions[0].path is missing and has no default"),
    ({"prompts": {"captions": ["x", ""]}}, "prompts.captions[1]: an empty path names no file"),
    ({"prompts": {"weights": {True: 1}}}, "prompts.weights: the name True must be text: quote it"),
    ({"model": {"since": date(2024, 1, 31)}}, "model.since is datetime.date(2024, 1, 31), which no"),
    ({"words": ["a", date(2024, 1, 31)]}, "words[1] is datetime.date(2024, 1, 31), which no YAML"),
    ({"prompts": {"captions": ["x", 7]}}, "prompts.captions[1] must be a mapping of options, not 7"),
    ({"prompts": {"weights": {"two": 1}}}, "prompts.weights: its keys must be a whole number, not 'two'"),
    ({"prompts": {"weights": {1: "x"}}}, "prompts.weights.1 must be a number, not 'x'"),
    ({"prompts": {"weights": 3}}, "prompts.weights must be a mapping of options, not 3"),
    ({"warmup": 11}, "warmup must be at most steps, 10, not 11"),
    ({"maps": True, "kind": "jpeg"}, "maps need the kind png"),
    ({"name": "y" * 200, "maps": "z" * 200}, "..."),
]  # fmt: skip


@pytest.mark.parametrize(("values", "said"), BAD, ids=[said[:50] for _, said in BAD])
def test_a_bad_value_is_told_with_file_key_value_and_remedy(values, said):
    message = wrong(**values)
    assert message.startswith("own.yaml: ")
    assert said in message
    assert "faults" not in message and len(message) < 300


def test_the_words_of_pydantic_never_reach_a_user():
    for values, _ in BAD:
        message = wrong(**values)
        for foreign in ("Input should", "valid ", "pydantic", "of another kind", "validation error", "type="):
            assert foreign not in message
    with pytest.raises(OptionsError) as caught:
        Kitchen(name="x", prompts={"captions": []}, folder="x", shape="oval")
    assert str(caught.value) == (
        "3 faults: shape must be a Shape, not 'oval'; folder must be a path, not 'x'; "
        "prompts must be a Prompts, not {'captions': []}"
    )
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_all_faults_are_told_at_once_each_with_its_own_place():
    message = wrong(
        steps=0, share=2, sahre=1, prompts={"captions": [{"path": 3}, {"path": "y", "weight": -1}]}
    )
    assert message == (
        "own.yaml: 5 faults: steps must be at least 1, not 0; share must be at most 1, not 2; "
        "prompts.captions[0].path must be text, not 3; prompts.captions[1].weight must be above 0, not -1; "
        "there is no option sahre: did you mean share?"
    )


def test_what_is_missing_is_named():
    with pytest.raises(OptionsError, match=r"^own.yaml: name is missing and has no default$"):
        read_options(Kitchen, None, "own.yaml")
    with pytest.raises(OptionsError, match=r"^own.yaml: must be a mapping of options, not \[1\]$"):
        read_options(Kitchen, [1], "own.yaml")


def test_faults_of_what_is_given_by_name_are_told_by_its_flag():
    faults = [Fault("groups.human", " must not be empty"), Fault("groups.a.b[0]", " is odd")]
    with pytest.raises(OptionsError) as told, as_flags({"groups": "--group"}):
        raise OptionsError(faults)
    assert str(told.value).startswith("2 faults: --group human must not be empty")


def test_an_empty_list_is_not_told_of_one_whose_entries_are_at_fault():
    @options
    class Zoom:
        scales: Annotated[tuple[Positive, ...], pydantic.Field(min_length=1)]

    with pytest.raises(OptionsError, match=r"^scales\[0\] must be above 0, not 0$"):
        Zoom(scales=[0])
    with pytest.raises(OptionsError, match=r"^scales must not be empty$"):
        Zoom(scales=[])


def test_what_holds_itself_is_refused():
    with pytest.raises(OptionsError, match=r"^own.yaml: it is nested deeper than 50 .*, or holds itself$"):
        read_options(Kitchen, yaml.safe_load("model: &again {inner: *again}"), "own.yaml")


def test_python_and_files_give_the_same_options():
    read = read_options(
        Kitchen,
        {"name": "x", "size": [3, 4], "shape": "square", "folder": "a/b", "factors": [1, 2],
         "prompts": {"captions": "c.txt", "weights": {1: 2}}},
        "own.yaml",
    )  # fmt: skip
    made = Kitchen(
        "x", size=(3, 4), shape=Shape.SQUARE, folder=Path("a/b"), factors=[1.0, 2.0],
        prompts=Prompts((Source("c.txt"),), {1: 2.0}),
    )  # fmt: skip
    assert replace(read, factors=()) == replace(made, factors=())
    assert list(read.factors) == list(made.factors)
    assert read_options(Kitchen, json.loads(json.dumps({"name": "x"})), "") == Kitchen("x")
    assert Kitchen("x", size=[3, 4]).size == (3, 4)


def test_a_whole_number_will_do_for_a_number_and_comes_out_as_one():
    assert isinstance(Kitchen("x", rate=1).rate, float)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("steps", np.int64(3), 3),
        ("share", np.float32(0.5), 0.5),
        ("maps", np.bool_(True), True),
        ("size", [np.uint8(3), np.int32(4)], (3, 4)),
        ("steps", np.array(3), 3),
    ],
)
def test_single_numbers_of_numpy_become_pythons(name, value, kept):
    made = getattr(Kitchen("x", **{name: value}), name)
    assert made == kept and type(made) is type(kept)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("steps", np.float64(3.0), "steps must be a whole number, not 3.0"),
        ("rate", np.float32("nan"), "rate must be a finite number, not nan"),
        ("size", np.array([3, 4]), r"size must be a list, not array\(\[3, 4\]\)"),
    ],
)
def test_numbers_of_numpy_are_checked_like_pythons(name, value, said):
    with pytest.raises(OptionsError, match=said):
        Kitchen("x", **{name: value})


def test_options_given_by_their_place_are_named():
    with pytest.raises(OptionsError, match=r"^steps must be at least 1, not 0$"):
        Kitchen("x", 0)
    with pytest.raises(TypeError, match="Source takes path, weight in this order"):
        Source("x", 1.0, 2.0)
    with pytest.raises(TypeError, match="each of them once"):
        Source("x", path="y")


def test_options_are_frozen_compared_copied_and_sent_to_other_processes():
    own = Source("x", 2.0)
    with pytest.raises(FrozenInstanceError):
        own.weight = 3.0
    assert own == Source("x", 2) and hash(own) == hash(Source("x", 2))
    assert pickle.loads(pickle.dumps(own)) == own
    assert asdict(own) == {"path": "x", "weight": 2.0} and repr(own) == "Source(path='x', weight=2.0)"
    with pytest.raises(OptionsError, match="weight must be above 0, not 0"):
        replace(own, weight=0)


def test_faults_of_another_process_arrive_as_they_are():
    with pytest.raises(OptionsError) as caught:
        read_options(Kitchen, {"name": 3, "steps": 0}, "own.yaml")
    arrived = pickle.loads(pickle.dumps(caught.value))
    assert str(arrived) == str(caught.value) and arrived.faults == caught.value.faults


def test_options_by_name_alone():
    @options(kw_only=True)
    class Named:
        steps: Count = 1

    assert Named(steps=2).steps == 2
    with pytest.raises(TypeError):
        Named(2)


def test_faults_of_the_command_line_are_called_by_their_flags():
    with pytest.raises(OptionsError) as caught, as_flags({"share": "--part"}):
        Kitchen("x", steps=0, share=2, words=(3,), crop=9)
    assert str(caught.value) == (
        "4 faults: --steps must be at least 1, not 0; --part must be at most 1, not 2; "
        "--words must be text, not 3; --crop must be a multiple of 8, not 9"
    )
    with pytest.raises(OptionsError, match=r"^--warmup must be at most steps"), as_flags():
        Kitchen("x", warmup=20)
    with pytest.raises(OptionsError, match=r"^--weight must be above 0"), as_flags():
        Source("x", 0)
    with pytest.raises(OptionsError, match=r"^--weight must be above 0"), as_flags():
        raise OptionsError([Fault("prompts.captions[0].weight", " must be above 0, not 0")])
    with pytest.raises(OptionsError, match=r"^maps need the kind png"), as_flags():
        Kitchen("x", maps=True, kind="jpeg")


def test_faults_of_a_file_keep_its_keys_on_the_command_line():
    with pytest.raises(OptionsError, match=r"^own.yaml: learning_rate is"), as_flags():
        raise OptionsError([Fault("learning_rate", " is too high")], "own.yaml")


def test_a_section_without_lines_means_its_defaults():
    assert read_options(Kitchen, {"name": "x", "prompts": None}, "own.yaml").prompts == Prompts()


def test_the_schema_takes_what_the_reader_takes():
    schema = json_schema(Kitchen)
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"name": "x", "steps": 3, "size": [1, 2], "kind": "jpeg", "shape": "round", "model": {"a": 1},
            "prompts": {"captions": ["x", {"path": "y", "weight": 2}], "weights": {"1": 2}}}  # fmt: skip
    read_options(Kitchen, good, "")
    jsonschema.validate(good, schema)
    jsonschema.validate({"name": "x", "prompts": {"captions": "x"}}, schema)
    for bad in (
        {},
        {"name": 3},
        {"name": "x", "steps": 0},
        {"name": "x", "qqq": 1},
        {"name": "x", "kind": "gif"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
    assert json.loads(json.dumps(schema)) == schema


def test_the_module_is_light():
    heavy = "{'torch', 'numpy', 'PIL', 'yaml', 'datasets'}"
    program = f"import sys, diffusers_attnmask.ground.options; print(*({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).split() == []
