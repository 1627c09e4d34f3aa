"""What foreign data must not do: name files of an export as they please."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"\w[\w. -]{0,199}")


def safe_names(names: Iterable[str]) -> None:
    """Raise unless every name can be a file's stem, and no two are the same on any file system."""
    seen: dict[str, str] = {}
    for name in names:
        if not NAME.fullmatch(name) or name.endswith((".", " ")) or ".." in name:
            raise ValueError(
                f"the id {name!r} cannot name a file: use letters, digits, '-', '_' and '.' alone"
            )
        if name.casefold() in seen:
            raise ValueError(f"the ids {seen[name.casefold()]!r} and {name!r} would name the same file")
        seen[name.casefold()] = name
