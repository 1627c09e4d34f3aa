"""Options: frozen classes whose values are checked wherever they come from, and faults in our own words.

One description serves Python (`TrainOptions(steps=100)`), YAML and JSON (`read_options`), the command line, and
editors (`json_schema`). All faults of a file are told at once, each with its key, its value and the remedy.
Built on pydantic, whose own sentences never reach a user.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, overload

import pydantic
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic_core import ErrorDetails, PydanticUndefined
from typing_extensions import dataclass_transform  # in typing from Python 3.11 on

Options = TypeVar("Options")

CONFIG = ConfigDict(
    strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True, hide_input_in_errors=True
)

Count = Annotated[int, pydantic.Field(ge=1)]  # of things of which there is at least one
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Positive = Annotated[float, pydantic.Field(gt=0)]
NotNegative = Annotated[float, pydantic.Field(ge=0)]
Seed = Annotated[int, pydantic.Field(ge=0, lt=2**63)]


class OptionsError(ValueError, TypeError):
    """What is wrong with options: every fault, in one line each."""

    def __init__(self, faults: Sequence[str], where: str = "") -> None:
        self.faults = tuple(faults)
        head = f"{where}: " if where else ""
        count = f"{len(self.faults)} faults: " if len(self.faults) > 1 else ""
        super().__init__(f"{head}{count}{'; '.join(self.faults)}")


@overload
def options(kind: type[Options], /) -> type[Options]: ...
@overload
def options(*, kw_only: bool = False) -> Callable[[type[Options]], type[Options]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def options(kind: type[Any] | None = None, /, *, kw_only: bool = False) -> Any:
    """Make a class a frozen dataclass of checked options.

    Types are strict (`"yes"` is no boolean, 2.5 no whole number), numbers finite, names known. What types
    cannot say, a `__post_init__` says by raising ValueError.
    """

    def made(own: type[Any]) -> type[Any]:
        checked = checked_dataclass(own, frozen=True, kw_only=kw_only, config=CONFIG)  # type: ignore[call-overload]
        construct = checked.__init__

        @wraps(construct)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            try:
                construct(self, *map(frozen, args), **{name: frozen(value) for name, value in kwargs.items()})
            except ValidationError as mistake:
                raise OptionsError(faults_of(mistake, type(self))) from None

        checked.__init__ = __init__
        return checked

    return made if kind is None else made(kind)


def read_options(kind: type[Options], values: Any, where: str) -> Options:
    """An instance from the plain values that YAML or JSON gave; `where` (a file, a section) begins the error."""
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise OptionsError([f"must be a mapping of options, not {values!r}"], where)
    try:
        text = json.dumps(values)
    except (TypeError, ValueError):
        raise OptionsError([f"{values!r} holds what JSON cannot: dates go in quotes"], where) from None
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as mistake:
        raise OptionsError(faults_of(mistake, kind), where) from None


def read_yaml(file: Path, what: str) -> dict[str, Any]:
    """The mapping that a YAML file holds, no key given twice; `what` says what it should be."""
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), UniqueKeys)
    except yaml.YAMLError as mistake:
        raise ValueError(f"{file} is not valid YAML: {' '.join(str(mistake).split())}") from mistake
    except UnicodeDecodeError as mistake:
        raise ValueError(f"{file} is not a text file in UTF-8: {mistake}") from mistake
    if not isinstance(content, dict):
        raise ValueError(f"{file} is not {what}: it must be a list of `name: value` lines")
    return content


class UniqueKeys(yaml.SafeLoader):
    """Plain YAML, in which a key given twice is an error instead of a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key != "<<" and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice", key_node.start_mark
                )
            if isinstance(key, str | int | float):
                seen.add(key)
        return super().construct_mapping(node, deep)


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON schema of options, for editors that complete and check YAML."""
    return TypeAdapter(kind).json_schema()


def frozen(value: Any) -> Any:
    """Lists, as YAML and JSON give them, as tuples."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def faults_of(mistake: ValidationError, kind: type[Any]) -> list[str]:
    """Every fault as `key says what is wrong`; the branches of a union count as one."""
    found: dict[str, str] = {}
    for error in mistake.errors(include_url=False):
        place = [part for part in error["loc"] if not _is_branch(part)]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        found.setdefault(key if error["type"] != "value_error" else f"{key}:", _fault(error, key, kind))
    return list(found.values())


def _is_branch(part: int | str) -> bool:
    """pydantic names the branch of a union that it tried, as `int`, `constrained-str` or `tuple[int, ...]`."""
    return isinstance(part, str) and (
        part in BRANCHES
        or part.startswith(("constrained-", "literal[", "tuple[", "dict[", "function-", "lax-or"))
    )


BRANCHES = ("int", "float", "str", "bool", "none", "dict", "list", "tuple", "nullable")


def _fault(error: ErrorDetails, key: str, kind: type[Any]) -> str:
    said, value, ctx = error["type"], _shown(error["input"]), error.get("ctx", {})
    if said in ("value_error", "assertion_error"):
        own = str(ctx["error"])
        return own if not key or key.rsplit(".")[-1] in own else f"{key}: {own}"
    if said in ("missing", "missing_argument"):
        return f"{key} is missing: it has no default"
    if said in ("unexpected_keyword_argument", "extra_forbidden"):
        return _unknown(key, kind)
    if said == "unexpected_positional_argument":
        return f"{value} has no place: give options by name"
    if said.startswith("literal_error"):
        return f"{key} must be {ctx['expected']}, not {value}"
    if said in BOUNDS:
        limit = next(iter(ctx[name] for name in ("ge", "gt", "le", "lt") if name in ctx))
        return f"{key} must be {BOUNDS[said]} {limit:g}, not {value}"
    if said in ("too_short", "string_too_short", "too_long", "string_too_long"):
        least = ctx.get("min_length", ctx.get("max_length"))
        return f"{key} must hold {'at least' if 'short' in said else 'at most'} {least}, not {value}"
    if said == "string_pattern_mismatch":
        return f"{key} {value} does not have the form {ctx['pattern']}"
    return f"{key} must be {KINDS.get(said, 'something else')}, not {value}"


BOUNDS = {
    "greater_than_equal": "at least",
    "greater_than": "above",
    "less_than_equal": "at most",
    "less_than": "below",
}
KINDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "string_sub_type"), "text"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "dataclass_type", "dataclass_exact_type"), "a mapping of options"
    ),
    "none_required": "left out",
    "path_type": "a path",
    "callable_type": "a function",
}


def _unknown(key: str, kind: type[Any]) -> str:
    path, _, name = key.rpartition(".")
    known = _names_at(kind, path)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    there = f"{path} has" if path else "there is"
    return f"{there} no option {name}: {hint}" + (f"it has {', '.join(known)}" if known else "leave it out")


def _names_at(kind: type[Any], path: str) -> list[str]:
    """The option names of the class at a place such as `prompts.captions[0]`, from the schema."""
    schema = TypeAdapter(kind).json_schema()
    here: Any = schema
    for part in [p.split("[")[0] for p in path.split(".") if p]:
        here = _options_below(_properties(here, schema).get(part, {}), schema)
    return list(_properties(_options_below(here, schema), schema))


def _properties(node: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node.get("properties", {})


def _options_below(node: Any, schema: Mapping[str, Any]) -> Any:
    """Through unions and lists to the one node that has properties."""
    if _properties(node, schema):
        return node
    for inner in (*node.get("anyOf", ()), *([node["items"]] if isinstance(node.get("items"), dict) else ())):
        found = _options_below(inner, schema)
        if _properties(found, schema):
            return found
    return {}


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
