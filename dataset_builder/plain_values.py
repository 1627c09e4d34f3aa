"""Plain values, as JSON has them: what two of them differ in, and a digest of all that one says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MISSING = object()
DIGEST = re.compile("[0-9a-f]{64}")


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys that differ, as `sampling.steps was 30, now 50`; of contents, `inputs.model has changed`."""
    old, new = dict(_flat(before)), dict(_flat(now))
    both = {key: (old.get(key, MISSING), new.get(key, MISSING)) for key in dict.fromkeys((*old, *new))}
    return [
        f"{key} has changed"
        if all(DIGEST.fullmatch(str(own)) for own in values)
        else f"{key} was {_shown(values[0])}, now {_shown(values[1])}"
        for key, values in both.items()
        if values[0] != values[1]
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    return "not given" if value is MISSING else json.dumps(value, ensure_ascii=False)
