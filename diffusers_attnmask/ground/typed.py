"""Values as they are typed: in the options of a command, in the fields of the app."""

from __future__ import annotations

from typing import Any

from diffusers_attnmask.ground.yaml_files import read_value


def given(**values: Any) -> dict[str, Any]:
    """Those that were typed: all but None.

    >>> given(steps=4, seed=None)
    {'steps': 4}
    """
    return {name: value for name, value in values.items() if value is not None}


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


def parsed_option(text: str, flag: str = "--option") -> tuple[str, Any]:
    """`levels=[0, 1]` or `threshold=otsu`: a value is read as YAML."""
    name, value = named(text, flag, "value")
    return name, read_value(value)


def choice(word: str | None) -> Any:
    """One of a few words: the options that take it know them, and refuse others."""
    return word


def named(text: str, flag: str, form: str) -> tuple[str, str]:
    """The two sides of `name=…`; `form` says what stands on the right one."""
    name, given, value = text.partition("=")
    if not given:
        raise ValueError(f"{flag} is written as name={form}, not {text!r}")
    return name, value
