"""Official classes, their ids and colours, once: a YAML file per data set, which everything else reads.

A class or a colour is added there and nowhere else. Vocabularies add prompts to a table, data sources and
exports translate its ids, palettes take its colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.palette import VOC_PALETTE, Colour, colour_of
from diffusers_attnmask.ground.yaml_files import read_yaml

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class TableClass:
    """A class. id: the one of masks; official_id: that of the data set's own files, by default the same.

    gathers: the classes of another table that it stands for, where it is a group. counted: whether the data
    set tells its objects apart.
    """

    name: str
    id: int
    official_id: int
    colour: Colour
    gathers: tuple[str, ...] = ()
    counted: bool = True


@dataclass(frozen=True)
class ClassTable:
    """Classes in the order of their mask ids, from 1 where there is a background (id 0), else from 0.

    ignored: official ids, and their names, that belong to no class and not to the background.
    """

    name: str
    classes: tuple[TableClass, ...]
    background: bool = True
    ignored: Mapping[int, str] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by mask id."""
        return (BACKGROUND,) * self.background + tuple(own.name for own in self.classes)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The classes of another table by the group that gathers them."""
        return {own.name: own.gathers for own in self.classes if own.gathers}


def class_table_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def class_table(name: str) -> ClassTable:
    """The table of a data set.

    >>> class_table("coco").classes[-1]
    TableClass(name='toothbrush', id=80, official_id=90, colour=(191, 162, 208), gathers=(), counted=True)
    """
    if name not in class_table_names():
        raise ValueError(f"there is no class table {name!r}; there are {', '.join(class_table_names())}")
    content = read_yaml(FOLDER / f"{name}.yaml", "a class table")
    classes, background = content["classes"], content.get("background", True)
    entries = classes if isinstance(classes, dict) else dict.fromkeys(classes)
    own = tuple(_class(key, place, entries[key] or {}) for place, key in enumerate(entries, int(background)))
    return ClassTable(name, own, background, content.get("ignored", {}))


def _class(name: str, place: int, entry: Mapping[str, Any]) -> TableClass:
    colour = colour_of(entry["colour"]) if "colour" in entry else VOC_PALETTE[place]
    gathers, counted = tuple(entry.get("gathers", ())), entry.get("counted", True)
    return TableClass(name, place, entry.get("id", place), colour, gathers, counted)
