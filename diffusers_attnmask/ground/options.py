"""Options: frozen classes whose values are checked wherever they come from, and faults in our own words.

One description serves Python (`TrainOptions(steps=100)`), YAML and JSON (`read_options`), the command line
(`as_flags`), and editors (`json_schema`). All faults of a file are told at once, each with its key, its value
and the remedy. Built on pydantic, whose own sentences never reach a user.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, overload

import pydantic
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from typing_extensions import dataclass_transform  # in typing from Python 3.11 on

from diffusers_attnmask.ground.extent import check_extent
from diffusers_attnmask.ground.option_faults import Fault, OptionsError, faults_of, shown, told_by
from diffusers_attnmask.ground.option_types import below, inner, is_union, may_hold
from diffusers_attnmask.ground.option_words import words_of

__all__ = [
    *("MOST_SIDE", "SECTION", "Batch", "Count", "Device", "Eights", "Fault", "Guidance", "LearningRate"),
    *("Name", "Names", "NotNegative", "OptionsError", "Positive", "Processes", "Scale"),
    *("ScaleRange", "Seed", "Share", "Shorthand", "Side", "Steps", "Whole", "as_flags"),
    *("json_schema", "options", "plain", "read_options", "shown", "told_by"),
]

Options = TypeVar("Options")
Faults = dict[str, list[Fault]]  # by the key of a value that could not be read

CONFIG = ConfigDict(
    strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True, hide_input_in_errors=True
)

MOST = 2**31 - 1  # of what is counted
LARGEST = 1e12  # of what is measured: beyond any use, and well within float32
MOST_SIDE = 2**14  # pixels
MOST_PROCESSES = 1024

Count = Annotated[int, pydantic.Field(ge=1, le=MOST)]  # of things of which there is at least one
Whole = Annotated[int, pydantic.Field(ge=0, le=MOST)]  # of things of which there may be none
Batch = Annotated[int, pydantic.Field(ge=1, le=2**16)]  # of things that are computed at once
Side = Annotated[int, pydantic.Field(ge=1, le=MOST_SIDE)]  # of an image, in pixels
Eights = Annotated[int, pydantic.Field(ge=8, le=MOST_SIDE, multiple_of=8)]  # of what latents are made of
Processes = Annotated[int, pydantic.Field(ge=0, le=MOST_PROCESSES)]  # beside this one
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Positive = Annotated[float, pydantic.Field(gt=0, le=LARGEST)]
NotNegative = Annotated[float, pydantic.Field(ge=0, le=LARGEST)]
Scale = Annotated[float, pydantic.Field(ge=1 / 64, le=64)]  # of an image's sides
Steps = Annotated[int, pydantic.Field(ge=1, le=1000)]  # of denoising: those of training
Guidance = Annotated[float, pydantic.Field(ge=0, le=1000)]
LearningRate = Annotated[float, pydantic.Field(gt=0, le=1000)]
Seed = Annotated[int, pydantic.Field(ge=0, lt=2**63)]
Device = Literal["auto", "cuda", "mps", "cpu"]  # what `ground/device.py` finds


def printable(text: str) -> str:
    """A name as it may stand in a line, a path or a list."""
    if not text.strip():
        raise OptionsError([Fault("", " must not be empty")])
    if not text.isprintable():
        raise OptionsError([Fault("", f" must be text that can be printed, not {shown(text)}")])
    return text


Name = Annotated[str, pydantic.Field(min_length=1), pydantic.AfterValidator(printable)]
Names = Annotated[tuple[Name, ...], pydantic.Field(min_length=1)]


def rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"{list(pair)} must go from low to high")
    return pair


ScaleRange = Annotated[tuple[Scale, Scale], pydantic.AfterValidator(rising)]


@overload
def options(kind: type[Options], /) -> type[Options]: ...
@overload
def options(*, kw_only: bool = False) -> Callable[[type[Options]], type[Options]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, pydantic.Field))
def options(kind: type[Any] | None = None, /, *, kw_only: bool = False) -> Any:
    """Make a class a frozen dataclass of checked options.

    Types are strict (`"yes"` is no boolean, 2.5 no whole number), numbers finite, names known. From Python,
    a list will do for a tuple and numpy's numbers for Python's: they mean the same, and no digit is lost.
    What types cannot say, a `__post_init__` says by raising ValueError. A classmethod `spelled` may give the
    plain values of a file, a mapping, their full form.
    """

    def made(own: type[Any]) -> type[Any]:
        own.__get_pydantic_json_schema__ = classmethod(_explained_schema)
        checked: Any = checked_dataclass(own, frozen=True, kw_only=kw_only, config=CONFIG)
        construct = checked.__init__
        places = [field.name for field in dataclasses.fields(checked) if field.init and not field.kw_only]

        @wraps(construct)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            placed = dict(zip(places, args, strict=False))  # so that faults name an option, not its place
            if len(args) > len(places) or placed.keys() & kwargs.keys():
                raise TypeError(f"{own.__name__} takes {', '.join(places)} in this order, each of them once")
            try:
                construct(self, **{name: plain(value) for name, value in {**placed, **kwargs}.items()})
            except ValidationError as mistake:
                raise OptionsError(faults_of(mistake, type(self))) from None

        checked.__init__ = __init__
        return checked

    return made if kind is None else made(kind)


def _explained_schema(kind: type[Any], own: Any, schema_of: Any) -> dict[str, Any]:
    """The schema of a class of options, with what its docstrings say of each."""
    schema = schema_of(own)
    content, words = schema_of.resolve_ref_schema(schema), words_of(kind)
    content["description"] = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
    for name, described in content.get("properties", {}).items():
        if name in words:
            described["description"] = words[name]
    return schema


def plain(value: Any) -> Any:
    """Lists as tuples, and single numbers of numpy as Python's."""
    if type(value) in (list, tuple):
        return tuple(map(plain, value))
    return value.item() if type(value).__module__ == "numpy" and not getattr(value, "ndim", 1) else value


@dataclasses.dataclass(frozen=True)
class Shorthand:
    """For the type of an option that files may give in a shorter form, too: `Annotated[..., Shorthand(...)]`.

    spelled: from a plain value in any form to the long one, in plain values; what is neither, it returns as
    it is. written_as: the type of all forms, for the schema.
    """

    spelled: Callable[[Any], Any]
    written_as: Any = None

    def __get_pydantic_json_schema__(self, own: Any, schema_of: Callable[[Any], Any]) -> Any:
        return schema_of(own if self.written_as is None else TypeAdapter(self.written_as).core_schema)


# For the type of options within options: a name without any lines under it means the defaults.
SECTION = Shorthand(lambda value: {} if value is None else value)


def read_options(kind: type[Options], values: Any, where: str) -> Options:
    """An instance from the plain values of YAML or JSON; `where` (a file, a section) begins the error."""
    faults: Faults = {}
    try:
        check_extent(values)
    except ValueError as mistake:
        raise OptionsError([Fault("", str(mistake))], where) from None
    spelled = _spelled({} if values is None else values, Annotated[kind, SECTION], "", faults)
    if not isinstance(spelled, Mapping):
        raise OptionsError([Fault("", f"must be a mapping of options, not {shown(values)}")], where)
    told = [fault for unread in faults.values() for fault in unread]
    try:
        made = TypeAdapter(kind).validate_json(json.dumps(spelled))
    except ValidationError as mistake:
        told += [fault for fault in faults_of(mistake, kind) if fault.key not in faults]
    if told:
        raise OptionsError(told, where)
    return made


def _spelled(value: Any, kind: Any, key: str, faults: Faults) -> Any:
    """Plain values with every shorthand spelled out, as the annotations say; faults are gathered."""
    if get_origin(kind) is Annotated:
        kind, *notes = get_args(kind)
        try:
            for note in notes:
                value = note.spelled(value) if isinstance(note, Shorthand) else value
        except ValueError as mistake:
            faults.setdefault(key, []).extend(fault.under(key) for fault in told_by(mistake))
            return None
        return _spelled(value, kind, key, faults)
    if is_union(kind):
        members = [own for own in get_args(kind) if own is not NoneType]
        fitting = members if len(members) == 1 else (own for own in members if may_hold(own, value))
        return None if value is None else _spelled(value, next(iter(fitting), Any), key, faults)
    if isinstance(value, Mapping):
        value = kind.spelled(value) if hasattr(kind, "spelled") else value
        return {
            name: _spelled(own, inner(kind, name), below(key, str(name)), faults)
            for name, own in value.items()
            if _is_name(name, key, faults)
        }
    if isinstance(value, list | tuple):
        return [_spelled(own, inner(kind, i), below(key, i), faults) for i, own in enumerate(value)]
    value = plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        faults.setdefault(key, []).append(Fault(key, f" must be a finite number, not {value}"))
        return None
    if isinstance(value, str) and not value.isascii() and "\\ud" in ascii(value):
        faults.setdefault(key, []).append(Fault(key, f" holds half a character, not text: {value!a}"))
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    faults.setdefault(key, []).append(Fault(key, f" is {shown(value)}, which no YAML or JSON holds"))
    return None


def _is_name(name: Any, key: str, faults: Faults) -> bool:
    if isinstance(name, str) or (isinstance(name, int | float) and not isinstance(name, bool)):
        return True
    faults.setdefault(key, []).append(Fault(key, f": the name {name!r} must be text: quote it"))
    return False


@contextmanager
def as_flags(flags: Mapping[str, str] | None = None) -> Iterator[None]:
    """Within it, faults call options as the command line does: `--learning-rate` for `learning_rate`.

    flags: of options whose flag is not their own name, by their key (`{"coverage.low": "--least-coverage"}`),
    and of those that are given as `name=value`.
    What a file is at fault for keeps the file's keys.
    """
    try:
        yield
    except OptionsError as mistake:
        if mistake.where:
            raise
        raise OptionsError([_flagged(fault, flags or {}) for fault in mistake.faults]) from None


def _flagged(fault: Fault, flags: Mapping[str, str]) -> Fault:
    key = re.sub(r"\[\d+\]", "", fault.key)  # entries of a list are a flag that is repeated
    above, _, own = key.rpartition(".")
    if key not in flags and above in flags:  # as are names with their values
        return fault._replace(key=f"{flags[above]} {own}")
    own = own.replace("_", "-")
    return fault._replace(key=flags.get(key, f"--{own}" if own else ""))


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON schema of options, for editors that complete and check YAML."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(kind).json_schema()}
