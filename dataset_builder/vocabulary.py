"""Vocabularies: the classes of a dataset with their ids, words, colours and options, read from YAML.

Those of official data sets name a table, which has names, ids and colours, and add what prompts need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from diffusers_attnmask.ground.class_tables import ClassTable, class_table
from diffusers_attnmask.ground.options import options_from
from diffusers_attnmask.ground.palette import VOC_PALETTE, Colour, colour_of
from diffusers_attnmask.words.classes import BACKGROUND, class_specs

FOLDER = Path(__file__).with_name("vocabularies")
LISTS = FOLDER / "lists"  # one entry a line; an empty line is the empty scene
IGNORE = 255
PUBLISHED_TEMPLATE = "Photo of {objects}"  # DiffuMask (ICCV 2023)


@dataclass(frozen=True)
class VocabularyClass:
    """One class and the id it has in masks.

    phrases: words that mean the class, the first is the one that prompts use. subclasses: kinds of it
    ("golden retriever"). options: per mask method, options of this class (`{"diffumask": {"levels": [3]}}`).
    scenes: what may follow it in a prompt, or surround it where it says `{objects}`; None for those of the
    vocabulary. decoys: phrases that hold a word of the class and mean something else ("hot dog").
    article: whether "a" or "an" goes before it.
    """

    name: str
    id: int
    phrases: tuple[str, ...]
    subclasses: tuple[str, ...] = ()
    colour: Colour = (0, 0, 0)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scenes: tuple[str, ...] | None = None
    decoys: tuple[str, ...] = ()
    article: bool = True


@dataclass(frozen=True)
class Vocabulary:
    """Classes in the order of their ids: from 1 where there is a background (id 0), else from 0.

    Without a background, as in Cityscapes, a pixel that shows none of the classes is ignored.
    """

    name: str
    classes: tuple[VocabularyClass, ...]
    ignore_index: int = IGNORE
    background: bool = True
    templates: tuple[str, ...] = (PUBLISHED_TEMPLATE,)
    scenes: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        class_specs([(own.name, own.phrases) for own in self.classes])  # raises on doubles and empty names
        if [own.id for own in self.classes] != list(range(self.background, len(self.class_names))):
            raise ValueError(
                f"the class ids of vocabulary {self.name!r} must count up from {int(self.background)}"
            )
        for template in self.templates:
            if template.count("{objects}") != 1:
                raise ValueError(
                    f"template {template!r} must say {{objects}} once, as in {PUBLISHED_TEMPLATE!r}"
                )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by mask id."""
        return (BACKGROUND,) * self.background + tuple(own.name for own in self.classes)

    @property
    def id2label(self) -> dict[int, str]:
        return dict(enumerate(self.class_names))

    @property
    def unlabelled_id(self) -> int:
        """The id of a pixel that shows none of the classes."""
        return 0 if self.background else self.ignore_index

    @property
    def palette(self) -> tuple[Colour, ...]:
        """256 colours by mask id; ids without a class keep VOC's."""
        own = {item.id: item.colour for item in self.classes}
        return tuple(own.get(index, colour) for index, colour in enumerate(VOC_PALETTE))

    def __getitem__(self, name: str) -> VocabularyClass:
        for own in self.classes:
            if own.name == name:
                return own
        raise ValueError(
            f"vocabulary {self.name!r} has no class {name!r}; it has "
            f"{', '.join(own.name for own in self.classes)}"
        )

    def mask_table(self, names: Sequence[str]) -> np.ndarray:
        """Lookup uint8 (256,) from a sampled mask (0 background, i + 1 = names[i]) to these ids."""
        table = np.full(256, self.ignore_index, np.uint8)
        table[0] = self.unlabelled_id
        table[1 : len(names) + 1] = [self[name].id for name in names]
        return table

    def method_options(self, method: str) -> dict[str, dict[str, Any]]:
        """The classes' options as a mask method takes them: `levels` of a class go into `class_levels`."""
        gathered: dict[str, dict[str, Any]] = {}
        for own in self.classes:
            for option, value in own.options.get(method, {}).items():
                gathered.setdefault(f"class_{option}", {})[own.name] = value
        return gathered


def vocabulary_names() -> list[str]:
    """The vocabularies that travel with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_vocabulary(name_or_path: str | Path) -> Vocabulary:
    """A vocabulary by name, or from a YAML file of one's own.

    >>> load_vocabulary("voc").class_names[:3]
    ('background', 'aeroplane', 'bicycle')
    """
    path = Path(name_or_path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no vocabulary {str(name_or_path)!r}: give a YAML file, or one of "
            f"{', '.join(vocabulary_names())}"
        )
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), UniqueKeys)
        return vocabulary_from(content, path.stem)
    except yaml.YAMLError as mistake:
        raise ValueError(f"vocabulary {path} is not valid YAML: {mistake}") from mistake
    except (ValueError, TypeError) as mistake:
        raise type(mistake)(f"vocabulary {path}: {mistake}") from mistake


def vocabulary_from(content: Any, name: str) -> Vocabulary:
    """A vocabulary from its parsed YAML: `classes` is a list of names, or a mapping of names to details.

    The details are a list of phrases, or a mapping of the fields of `VocabularyClass`. With `table`, the
    classes are those of a class table, and `classes` has details of some of them.
    """
    if not isinstance(content, Mapping) or not (content.get("classes") or content.get("table")):
        raise ValueError("it needs `classes`: a list of names, or names with their phrases")
    content = dict(content)
    classes, table = content.pop("classes", None) or {}, content.pop("table", None)
    if not isinstance(classes, list | Mapping):
        raise TypeError(f"classes must be a list or a mapping, not {classes!r}")
    entries = classes if isinstance(classes, Mapping) else _by_name(classes)
    entries = {str(key): _details(str(key), entry) for key, entry in entries.items()}
    if table is not None:
        known = class_table(table)
        content["background"] = known.background
        entries = in_table(entries, known)
    first = int(content.get("background", True))
    own = tuple(class_from(key, entry, first + i) for i, (key, entry) in enumerate(entries.items()))
    values = {"name": name, **content, "classes": own}
    for key in ("templates", "scenes"):
        if key in values:
            values[key] = words(values[key], key)
    return options_from(Vocabulary, values, "the vocabulary")


def in_table(entries: Mapping[str, Mapping[str, Any]], table: ClassTable) -> dict[str, Mapping[str, Any]]:
    """The details of every class of the table, in its order and with its colours."""
    if foreign := set(entries) - set(table.class_names):
        raise ValueError(
            f"class table {table.name!r} has no class {', '.join(sorted(foreign))}: add it there"
        )
    return {own.name: {"colour": own.colour, **entries.get(own.name, {})} for own in table.classes}


def class_from(name: str, entry: Mapping[str, Any], index: int) -> VocabularyClass:
    where = f"class {name!r}"
    values = {"phrases": [name], "colour": VOC_PALETTE[index % 256], **entry}
    if {"name", "id"} & set(values):
        raise ValueError(f"{where}: its name is the key and its id the place in the list; leave them out")
    for key in ("phrases", "subclasses", "scenes", "decoys"):
        if key in values:
            values[key] = words(values[key], f"{where}, {key}")
    try:
        values["colour"] = colour_of(values["colour"])
    except ValueError as mistake:
        raise ValueError(f"{where}: {mistake}") from mistake
    return options_from(VocabularyClass, {**values, "name": name, "id": index}, where)


def _details(name: str, entry: Any) -> Mapping[str, Any]:
    """What follows a class's name: phrases, a mapping, or nothing."""
    if isinstance(entry, str | list):
        return {"phrases": entry}
    if entry is not None and not isinstance(entry, Mapping):
        raise TypeError(f"class {name!r} must be followed by phrases or by options, not by {entry!r}")
    return entry or {}


def words(value: Any, where: str) -> list[str]:
    """A list of words; `$birds` is a list that travels with the package."""
    if isinstance(value, str) and value.startswith("$"):
        return word_list(value[1:], where)
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(
            f"{where}: {value!r} is not a list of words (YAML reads yes, no, on and off as true or false: "
            "quote them)"
        )
    return value


def word_list(name: str, where: str) -> list[str]:
    known = sorted(path.stem for path in LISTS.glob("*.txt"))
    if name not in known:
        raise ValueError(f"{where}: there is no word list ${name}; there are ${', $'.join(known)}")
    return (LISTS / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]


def _by_name(names: list[Any]) -> dict[str, None]:
    entries = dict.fromkeys(str(name) for name in names)
    if len(entries) < len(names):
        raise ValueError(f"a class is listed twice among {', '.join(map(str, names))}")
    return entries


class UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is a mistake and not a silent loss."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [
            self.construct_object(key, deep=True)
            for key, _ in node.value
            if key.tag != "tag:yaml.org,2002:merge"
        ]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise ValueError(f"{key!r} is given twice{node.start_mark}")
        return super().construct_mapping(node, deep)
