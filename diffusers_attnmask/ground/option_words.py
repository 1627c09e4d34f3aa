"""What the docstring of options says of each: `steps: of denoising. seed, workers: ...`, key by key."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

KEYS = r"(?:^|(?<=[.)\]] ))((?:\w+)(?:(?:, | and )\w+)*): "


def words_of(kind: type[Any]) -> dict[str, str]:
    """The words for each option that the docstrings of a class and of its ancestors explain."""
    ancestors = [own for own in reversed(kind.__mro__) if own is not object]
    names = {name for own in ancestors for name in inspect.get_annotations(own)}
    return {
        name: words
        for own in ancestors
        for name, words in _explained(inspect.cleandoc(own.__doc__ or ""), names)
    }


def _explained(text: str, names: set[str]) -> Iterator[tuple[str, str]]:
    for paragraph in text.split("\n\n"):
        line = " ".join(paragraph.split())
        heads = [head for head in re.finditer(KEYS, line) if names.issuperset(_listed(head[1]))]
        ends = [*(head.start() for head in heads[1:]), len(line)]
        for head, end in zip(heads, ends, strict=False):
            for name in _listed(head[1]):
                yield name, line[head.end() : end].strip()


def _listed(names: str) -> list[str]:
    return re.split(", | and ", names)
