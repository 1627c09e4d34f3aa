"""What is wrong with options: pydantic's errors in our own words, with key, value and remedy."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from diffusers_attnmask.ground.option_types import below, branch_called, branches, inner

Error = Mapping[str, Any]  # pydantic's: its type, place (loc), input and context (ctx)
RAISED = ("value_error", "assertion_error")  # by a class of options, or by a type's own check
LONGEST = 100  # characters of a value that are shown


class Fault(NamedTuple):
    """What is wrong with the option at a key such as `prompts.captions[0].weight`, "" for all of them.

    says: how a sentence goes on that begins with the key, or after a colon a sentence of its own.
    """

    key: str
    says: str

    def __str__(self) -> str:
        return f"{self.key}{self.says}" if self.key else self.says.lstrip(": ")

    def under(self, key: str) -> Fault:
        """The same fault, told of what holds the options at that key."""
        if key and not self.key:
            return Fault(key, re.sub("^there is no option", " has no option", self.says))
        return self._replace(key=f"{key}.{self.key}" if key else self.key)


class OptionsError(ValueError, TypeError):
    """Everything that is wrong with options. A `__post_init__` may raise it, to say whose fault it is."""

    def __init__(self, faults: Sequence[Fault], where: str = "") -> None:
        self.faults, self.where = tuple(faults), where
        told = "; ".join(map(str, self.faults))
        count = f"{len(self.faults)} faults: " if len(self.faults) > 1 else ""
        super().__init__(f"{where}: {count}{told}" if where else f"{count}{told}")

    def __reduce__(self) -> tuple[type[OptionsError], tuple[Sequence[Fault], str]]:
        return type(self), (self.faults, self.where)  # on its way from a worker process


def told_by(mistake: Exception) -> Sequence[Fault]:
    """The faults that an error tells, which is one where it does not say so."""
    return mistake.faults if isinstance(mistake, OptionsError) else [Fault("", f": {mistake}")]


def faults_of(mistake: ValidationError, kind: type[Any]) -> list[Fault]:
    """Every fault; the branches of a union, none of which takes a value, count as one."""
    errors: list[Any] = mistake.errors(include_url=False)
    found = [_Found.at(error, kind) for error in errors]
    at_fault = {one.key for one in found}
    found = [own for own in found if not (own.error["type"] == "too_short" and _within(own.key, at_fault))]
    faults: list[Fault] = []
    for union, group in groupby(found, lambda one: one.union):
        together = list(group)
        fitting = [one for one in together if one.key != union or one.error["type"] in RAISED]
        if union is None or fitting:  # what fits a branch but for something within it is at fault there
            for one in fitting or together:
                faults += one.faults()
        else:
            faults.append(Fault(union, _said([one.error for one in together])))
    return list(dict.fromkeys(faults))


def _within(key: str, keys: Iterable[str]) -> bool:
    """Whether one of the keys is of an entry of what stands at a key: it is not there once it is at fault."""
    return any(own.startswith(f"{key}[") for own in keys)


class _Found(NamedTuple):
    """An error with its key, that of what is around it, of the first union on the way there, and the type
    around it."""

    error: Error
    key: str
    place: str
    union: str | None
    around: Any

    @classmethod
    def at(cls, error: Error, kind: Any) -> _Found:
        key, place, union, around = "", "", None, kind
        for part in error["loc"]:
            possible = branches(kind)
            if len(possible) > 1:  # the branch that was tried
                union = key if union is None else union
                kind = branch_called(possible, part)
            elif part != "[key]":
                key, place, around = below(key, part), key, possible[0]
                kind = inner(around, part)
        return cls(error, key, place, union, around)

    def faults(self) -> Sequence[Fault]:
        error, place = self.error, self.place
        if error["type"] in RAISED:
            return [own.under(self.key) for own in told_by(error["ctx"]["error"])]
        if error["type"] == "unexpected_keyword_argument":
            name = str(error["loc"][-1])
            return [Fault(place, f"{' has' if place else 'there is'} no option {name}: {self.remedy(name)}")]
        if error["type"] == "missing" and get_origin(self.around) is tuple:
            key, count = self.key.rpartition("[")[0], len(get_args(self.around))
            return [Fault(key, f" must have {count} entries, not {shown(error['input'])}")]
        if error["loc"][-1:] == ("[key]",):
            return [Fault(self.key.rpartition(".")[0], f": its keys{_said([error])}")]
        return [Fault(self.key, _said([error]))]

    def remedy(self, name: str) -> str:
        known = [field.name for field in dataclasses.fields(self.around)]
        near = difflib.get_close_matches(name, known, 1)
        return f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"


def _said(errors: Sequence[Error]) -> str:
    """What is said of a value that has these errors, one for each type that might have stood there."""
    for error in errors:
        if sentence := _sentence(error):
            return sentence
    value = errors[0]["input"]
    wanted = dict.fromkeys(_wanted(error) for error in errors)
    quote = isinstance(value, bool) and "text" in wanted
    hint = " (YAML reads yes, no, on and off as true and false: quote them)" if quote else ""
    return f" must be {' or '.join(wanted)}, not {shown(value)}{hint}"


def _sentence(error: Error) -> str | None:
    """What is said where it is not what the value must be."""
    said, ctx = error["type"], error.get("ctx", {})
    if said == "missing":
        return " is missing and has no default"
    if said == "string_pattern_mismatch":
        return f" must have the form {ctx['pattern']}, not {shown(error['input'])}"
    if said in ("too_short", "string_too_short", "too_long", "string_too_long"):
        least, most = ctx.get("min_length"), ctx.get("max_length")
        if least == 1:
            return " must not be empty"
        what = "characters" if said.startswith("string") else "entries"
        bound = f"at most {most}" if least is None else f"at least {least}"
        return f" must have {bound} {what}, not {shown(error['input'])}"
    return None


def _wanted(error: Error) -> str:
    """What a value must be."""
    said, ctx = error["type"], error.get("ctx", {})
    if said in BOUNDS:
        name, word = BOUNDS[said]
        return f"{word} {_number(ctx[name])}"
    if said in ("literal_error", "enum"):
        return ctx["expected"]
    if said == "multiple_of":
        return f"a multiple of {_number(ctx['multiple_of'])}"
    if said == "is_instance_of" and ctx["class"] not in KINDS_BY_CLASS:
        return f"a {ctx['class']}"
    if said == "dataclass_exact_type":
        return f"a {ctx['class_name']}"
    return KINDS_BY_CLASS.get(ctx.get("class", ""), "") or KINDS.get(said, "of another kind")


BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}
KINDS: Mapping[str, str] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "string_sub_type"), "text"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "dataclass_type"), "a mapping of options"),
    "none_required": "left out",
    "path_type": "a path",
    "callable_type": "a function",
}
KINDS_BY_CLASS: Mapping[str, str] = {"Sequence": "a list", "Path": "a path"}


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
