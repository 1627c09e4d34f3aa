"""JSON whose lists are longer than memory should hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffusers_attnmask.ground.atomic_files import replacing


def write_json_lists(path: Path, content: Mapping[str, Any]) -> None:
    """Write what `json.dumps` makes of a mapping, in which an iterator stands for a list."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as stream:
        stream.writelines(_pieces(content))


def _pieces(content: Mapping[str, Any]) -> Iterator[str]:
    yield "{"
    for place, (key, value) in enumerate(content.items()):
        yield f"{', ' if place else ''}{json.dumps(key)}: "
        if isinstance(value, Iterator):
            yield "["
            for number, own in enumerate(value):
                yield f"{', ' if number else ''}{json.dumps(own)}"
            yield "]"
        else:
            yield json.dumps(value)
    yield "}"
