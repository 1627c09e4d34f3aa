"""Values as they are typed: in the options of a command, in the fields of the app."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from diffusers_attnmask.ground.yaml_files import read_value

Value = TypeVar("Value")


def given(**values: Any) -> dict[str, Any]:
    """Those that were typed: all but None.

    >>> given(steps=4, seed=None)
    {'steps': 4}
    """
    return {name: value for name, value in values.items() if value is not None}


def is_trial(dry_run: bool, measure: bool) -> bool:
    """Whether a command only tells what it would do; what is measured is thrown away."""
    if measure and not dry_run:
        raise ValueError("--measure is of --dry-run, which writes nothing: add it, or leave --measure out")
    return dry_run


def parsed_names(text: str) -> tuple[str, ...]:
    """Names between commas.

    >>> parsed_names("dog, traffic light")
    ('dog', 'traffic light')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parsed_class(text: str) -> str | tuple[str, list[str]]:
    """`dog`, or `aeroplane=airplane,jet` for a name and the phrases that stand for it."""
    name, given, phrases = text.partition("=")
    return (name, phrases.split(",")) if given else name


def parsed_classes(texts: Iterable[str]) -> dict[str, list[str] | None]:
    """Classes as a vocabulary's file lists them, each with its phrases, where it has own ones.

    >>> parsed_classes(["dog", "aeroplane=airplane,jet"])
    {'dog': None, 'aeroplane': ['airplane', 'jet']}
    """
    parsed = (parsed_class(text) for text in texts)
    return by_name(((own, None) if isinstance(own, str) else own for own in parsed), "-c")


def parsed_option(text: str, flag: str) -> tuple[str, Any]:
    """`levels=[0, 1]` or `threshold=otsu`: a value is read as YAML."""
    name, value = named(text, flag, "value")
    try:
        return name, read_value(value)
    except ValueError as mistake:
        raise ValueError(f"{flag} {name}: {mistake}") from mistake


def by_name(pairs: Iterable[tuple[str, Value]], flag: str) -> dict[str, Value]:
    """What a flag that is repeated says of each name, of which none may come twice.

    >>> by_name([("levels", [0, 1]), ("threshold", "otsu")], "--method-option")
    {'levels': [0, 1], 'threshold': 'otsu'}
    """
    found: dict[str, Value] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{flag} gives {name} twice: give it once")
        found[name] = value
    return found


def choice(word: str | None) -> Any:
    """One of a few words: the options that take it know them, and refuse others."""
    return word


def named(text: str, flag: str, form: str) -> tuple[str, str]:
    """The two sides of `name=…`; `form` says what stands on the right one."""
    name, given, value = text.partition("=")
    if not (given and name.strip()):
        raise ValueError(f"{flag} is written as name={form}, not {text!r}")
    return name.strip(), value
