"""The published constants by class, read from `class_thresholds.yaml` or a table of the same form."""

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml


@dataclass(frozen=True)
class ClassThresholds:
    threshold: tuple[float, float]
    foreground: float
    background: float
    least_share: float


def class_thresholds(name: str, table: Path | None = None) -> ClassThresholds:
    """The constants of a class: the table's own where it has them, else its defaults.

    >>> class_thresholds("sofa").threshold
    (0.48, 0.58)
    >>> class_thresholds("unicorn").foreground
    -0.04
    """
    content = _read(table)
    values = {**content["defaults"], **content.get("classes", {}).get(name, {})}
    values["threshold"] = tuple(values["threshold"])
    return ClassThresholds(**values)


@cache
def _read(table: Path | None) -> dict:
    source = files("dataset_builder.refinement") / "class_thresholds.yaml" if table is None else table
    content = yaml.safe_load(source.read_text(encoding="utf-8"))
    known = {field.name for field in fields(ClassThresholds)}
    if not isinstance(content, dict) or not isinstance(content.get("defaults"), dict):
        raise ValueError(f"{source}: write `defaults:` with {sorted(known)}, and `classes:` for exceptions")
    entries = {"defaults": content["defaults"], **(content.get("classes") or {})}
    for name, entry in entries.items():
        if unknown := set(entry) - known:
            raise ValueError(f"{source}: {name} has {sorted(unknown)}; the constants are {sorted(known)}")
    if missing := known - set(content["defaults"]):
        raise ValueError(f"{source}: the defaults lack {sorted(missing)}")
    return content
