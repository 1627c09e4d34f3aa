"""The annotations of options, walked place by place: what may stand at `prompts.captions[0].weight`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

LISTS, MAPPINGS = (tuple, list, Sequence), (dict, Mapping)


def below(key: str, part: int | str) -> str:
    """The key of an entry, of an option or of a name within what stands at another key."""
    return f"{key}[{part}]" if isinstance(part, int) else f"{key}.{part}" if key else part


def branches(kind: Any) -> list[Any]:
    """The types that may stand where this one is written, without their annotations; None aside."""
    if get_origin(kind) is Annotated:
        return branches(get_args(kind)[0])
    if is_union(kind):
        return [branch for own in get_args(kind) if own is not NoneType for branch in branches(own)]
    return [kind]


def is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def branch_called(kinds: Sequence[Any], part: int | str) -> Any:
    """The branch of a union that pydantic calls by this word, as `constrained-int` or `tuple[int, ...]`."""
    word = re.sub(r"^(constrained|nullable)-|\[.*", "", str(part)).lower()
    return next((own for own in kinds if _word(own) == word), Any)


def inner(kind: Any, part: int | str) -> Any:
    """The type of an option, of an entry of a list, or of a value of a mapping; Any where it is not said."""
    arguments, origin = get_args(kind), get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return get_type_hints(kind, include_extras=True).get(str(part), Any)
    if origin is tuple and Ellipsis not in arguments:
        return arguments[part] if isinstance(part, int) and part < len(arguments) else Any
    if origin in LISTS:
        return arguments[0]
    return arguments[1] if origin in MAPPINGS else Any


def may_hold(kind: Any, value: Any) -> bool:
    """Whether a plain value, a mapping or a list, is of the form that the type has."""
    if isinstance(value, Mapping):
        return any(dataclasses.is_dataclass(own) or get_origin(own) in MAPPINGS for own in branches(kind))
    return isinstance(value, list | tuple) and any(get_origin(own) in LISTS for own in branches(kind))


def _word(kind: Any) -> str:
    kind = get_origin(kind) or kind
    return {Mapping: "dict", Sequence: "list"}.get(kind, getattr(kind, "__name__", "")).lower()
