"""How much a file of options may hold: a few lines of YAML can stand for more than any memory holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_ENTRIES = 1_000_000
DEEPEST = 50  # lists and mappings within each other


def check_extent(value: Any) -> None:
    """Refuse plain values that hold themselves, or are nested or multiplied without measure.

    >>> check_extent({"levels": [0, 1]})
    """
    waiting, seen = [(value, 0)], 0
    while waiting:
        own, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} lists and mappings, or holds itself")
        if seen > MOST_ENTRIES:
            raise ValueError(f"it holds more than {MOST_ENTRIES:,} entries, or the same ones again and again")
        if isinstance(own, Mapping):
            waiting += [(entry, depth + 1) for entry in own.values()]
        elif isinstance(own, list | tuple):
            waiting += [(entry, depth + 1) for entry in own]
