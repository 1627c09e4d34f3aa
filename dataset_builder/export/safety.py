"""What foreign data must not do: name files of an export as they please."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

NAME = re.compile(r"\w[\w. -]{0,199}")


def safe_names(names: Sequence[str]) -> None:
    """Raise unless every name can be a file's stem, and no two are the same on any file system."""
    for name in names:
        if not NAME.fullmatch(name) or name.endswith((".", " ")) or ".." in name:
            raise ValueError(
                f"the id {name!r} cannot name a file: use letters, digits, '-', '_' and '.' alone"
            )
    seen: dict[str, str] = {}
    for name in _perhaps_twice(names):
        if name.casefold() in seen:
            raise ValueError(f"the ids {seen[name.casefold()]!r} and {name!r} would name the same file")
        seen[name.casefold()] = name


def _perhaps_twice(names: Sequence[str]) -> list[str]:
    """Those that share their hash with another one: few, where a dictionary of all would be many MiB."""
    hashes = np.fromiter((hash(name.casefold()) for name in names), np.int64, len(names))
    _, places, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return [names[place] for place in np.flatnonzero(counts[places] > 1).tolist()]
