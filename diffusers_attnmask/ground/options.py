"""Frozen option dataclasses from the mappings of a YAML file, with every mistake named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

Options = TypeVar("Options")


def options_from(kind: type[Options], values: Any, where: str) -> Options:
    """`values` as an instance of the dataclass `kind`; lists become tuples. `where` names it in errors."""
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise TypeError(f"{where} must be a mapping of options, not {values!r}")
    known = {option.name: option for option in fields(kind) if option.init}
    if unknown := [str(name) for name in values if name not in known]:
        raise ValueError(f"{where} has no option {', '.join(unknown)}; it has {', '.join(known)}")
    required = (o.name for o in known.values() if o.default is MISSING and o.default_factory is MISSING)
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"{where} needs {', '.join(missing)}")
    try:
        return kind(**{name: frozen(value) for name, value in values.items()})
    except (ValueError, TypeError) as mistake:
        raise type(mistake)(f"{where}: {mistake}") from mistake


def frozen(value: Any) -> Any:
    """Lists, as YAML and JSON give them, as tuples."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value
