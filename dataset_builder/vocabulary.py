"""Vocabularies: the classes of a dataset with their ids, words, colours and options, read from YAML.

Those of official data sets name a table, which has names, ids and colours, and add what prompts need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, ConfigDict
from pydantic import Field as Checked
from pydantic.config import with_config
from typing_extensions import TypedDict  # with which pydantic reads it before Python 3.12

from diffusers_attnmask.ground.class_tables import class_table
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from diffusers_attnmask.ground.options import (
    Fault,
    Name,
    OptionsError,
    Shorthand,
    Whole,
    options,
    read_options,
    shown,
    told_by,
)
from diffusers_attnmask.ground.palette import VOC_PALETTE, Colour, colour_of
from diffusers_attnmask.ground.yaml_files import read_yaml
from diffusers_attnmask.words.classes import class_specs

FOLDER = Path(__file__).with_name("vocabularies")
LISTS = FOLDER / "lists"  # one entry a line; an empty line is the empty scene
MOST_CHARACTERS = 2000  # of what stands in a prompt: no model reads as many
PUBLISHED_TEMPLATE = "Photo of {objects}"  # DiffuMask (ICCV 2023)


def spelled_words(value: Any) -> Any:
    """A list of words from one word, or from `$birds`, a list that travels with the package."""
    if not isinstance(value, str):
        return value
    if not value.startswith("$"):
        return [value]
    known = sorted(path.stem for path in LISTS.glob("*.txt"))
    if value[1:] not in known:
        raise ValueError(f"there is no word list {value}; there are ${', $'.join(known)}")
    return (LISTS / f"{value[1:]}.txt").read_text(encoding="utf-8").split("\n")[:-1]


def with_objects(template: str) -> str:
    if template.count("{objects}") != 1:
        raise ValueError(f"{template!r} must say {{objects}} once, as in {PUBLISHED_TEMPLATE!r}")
    return template


Phrase = Annotated[str, Checked(max_length=MOST_CHARACTERS)]
Words = Annotated[tuple[Phrase, ...], Shorthand(spelled_words, str | list[str])]
Template = Annotated[Phrase, AfterValidator(with_objects)]


@options
class VocabularyClass:
    """One class and the id it has in masks.

    phrases: words that mean the class, the first is the one that prompts use. subclasses: kinds of it
    ("golden retriever"). options: per mask method, options of this class (`{"diffumask": {"levels": [3]}}`).
    scenes: what may follow it in a prompt, or surround it where it says `{objects}`; None for those of the
    vocabulary. decoys: phrases that hold a word of the class and mean something else ("hot dog").
    article: whether "a" or "an" goes before it.
    """

    name: Name
    id: Whole
    phrases: Words
    subclasses: Words = ()
    colour: Annotated[Colour, Shorthand(colour_of, str | Colour)] = (0, 0, 0)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scenes: Words | None = None
    decoys: Words = ()
    article: bool = True


@options
class Vocabulary:
    """Classes in the order of their ids: from 1 where there is a background (id 0), else from 0.

    Without a background, as in Cityscapes, a pixel that shows none of the classes is ignored.
    """

    name: Name
    classes: tuple[VocabularyClass, ...]
    ignore_index: Annotated[int, Checked(ge=0, le=255)] = IGNORE_ID
    background: bool = True
    templates: Annotated[tuple[Template, ...], Shorthand(spelled_words, str | list[str])] = (
        PUBLISHED_TEMPLATE,
    )
    scenes: Words = ("",)

    def __post_init__(self) -> None:
        class_specs([(own.name, own.phrases) for own in self.classes])  # raises on doubles and empty names
        if [own.id for own in self.classes] != list(range(self.background, len(self.class_names))):
            raise ValueError(
                f"the class ids of vocabulary {self.name!r} must count up from {int(self.background)}"
            )
        if self.ignore_index < len(self.class_names):
            told = f" is {self.ignore_index}, the id of {self.class_names[self.ignore_index]}: take 255"
            raise OptionsError([Fault("ignore_index", told)])
        for method in dict.fromkeys(method for own in self.classes for method in own.options):
            self._check_options(method)

    def _check_options(self, method: str) -> None:
        """Raise unless a mask method takes what the classes say of it."""
        from diffusers_attnmask.methods import make_method

        for place, own in enumerate(self.classes):
            if method in own.options:
                chosen = {
                    f"class_{option}": {own.name: value} for option, value in own.options[method].items()
                }
                try:
                    make_method(method, chosen)
                except ValueError as mistake:
                    key = f"classes[{place}].options.{method}"
                    raise OptionsError([fault.under(key) for fault in told_by(mistake)]) from mistake

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
        return BACKGROUND_ID if self.background else self.ignore_index

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
        table[BACKGROUND_ID] = self.unlabelled_id
        table[1 : len(names) + 1] = [self[name].id for name in names]
        return table

    def method_options(self, method: str) -> dict[str, dict[str, Any]]:
        """The classes' options as a mask method takes them: `levels` of a class go into `class_levels`."""
        gathered: dict[str, dict[str, Any]] = {}
        for own in self.classes:
            for option, value in own.options.get(method, {}).items():
                gathered.setdefault(f"class_{option}", {})[own.name] = value
        return gathered


@with_config(ConfigDict(extra="forbid"))
class ClassFile(TypedDict, total=False):
    """What a file may say of a class, whose name is the key."""

    phrases: Annotated[str | list[str], Checked(description="words that mean it; prompts use the first.")]
    subclasses: Annotated[str | list[str], Checked(description="kinds of it, as `golden retriever`.")]
    colour: Annotated[str | Colour, Checked(description="in masks and pictures, by default VOC's of its id.")]
    options: Annotated[
        dict[str, dict[str, Any]], Checked(description="of the mask methods, by their names, for this class.")
    ]
    scenes: Annotated[
        str | list[str], Checked(description="what follows it in a prompt, or surrounds `{objects}`.")
    ]
    decoys: Annotated[
        str | list[str], Checked(description="phrases with its word that mean something else: `hot dog`.")
    ]
    article: Annotated[
        bool, Checked(description="whether a or an goes before it.", json_schema_extra={"default": True})
    ]


@with_config(ConfigDict(extra="forbid"))
class VocabularyFile(TypedDict, total=False):
    """What a file of a vocabulary may hold, or a recipe in its place."""

    name: Annotated[str, Checked(description="by default that of the file.")]
    table: Annotated[
        str, Checked(description="official classes with ids and colours: `voc`, `coco`, `cityscapes`.")
    ]
    classes: Annotated[
        list[str] | dict[str, ClassFile | str | list[str] | None],
        Checked(description="names, or names with phrases, or with all that is particular to each."),
    ]
    ignore_index: Annotated[
        int,
        Checked(
            ge=0,
            le=255,
            description="the id of pixels that nobody judges.",
            json_schema_extra={"default": IGNORE_ID},
        ),
    ]
    background: Annotated[
        bool,
        Checked(
            description="whether id 0 is what shows none of the classes.", json_schema_extra={"default": True}
        ),
    ]
    templates: Annotated[
        str | list[str], Checked(description="of prompts, each with `{objects}` where the classes stand.")
    ]
    scenes: Annotated[str | list[str], Checked(description="that may follow the classes; empty for none.")]


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
    return vocabulary_from(read_yaml(path, "a vocabulary"), path.stem, f"vocabulary {path}")


def vocabulary_from(content: Mapping[str, Any], name: str, where: str = "") -> Vocabulary:
    """A vocabulary from plain values: `classes` is a list of names, or a mapping of names to details.

    The details are a list of phrases, or a mapping of the fields of `VocabularyClass`. With `table`, the
    classes are those of a class table, and `classes` has details of some of them. `where` begins the error.
    """
    names: list[str] = []
    try:
        entries, values = _entries(content), {key: content[key] for key in content if key != "table"}
        if "table" in content:
            known = class_table(str(content["table"]))
            values["background"] = known.background
            if foreign := entries.keys() - set(known.class_names):
                told = f"class table {known.name!r} has no class {', '.join(sorted(foreign))}: add it there"
                raise OptionsError([Fault("classes", f": {told}")])
            entries = {own.name: {"colour": own.colour, **entries.get(own.name, {})} for own in known.classes}
        names += entries
        first = int(values.get("background", True) is not False)
        values["classes"] = [
            {"name": key, "id": own, "phrases": [key], "colour": VOC_PALETTE[own % 256], **details}
            for own, (key, details) in enumerate(entries.items(), start=first)
        ]
        return read_options(Vocabulary, {"name": name, **values}, "")
    except ValueError as mistake:
        raise OptionsError([_by_name(fault, names) for fault in told_by(mistake)], where) from None


def _entries(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The details of every class that is listed, by its name."""
    classes = content.get("classes") or {}
    if not (classes or "table" in content):
        raise OptionsError([Fault("", ": it needs `classes`: a list of names, or names with their phrases")])
    if not isinstance(classes, list | Mapping):
        raise OptionsError([Fault("classes", f" must be a list or a mapping, not {shown(classes)}")])
    if strange := [own for own in classes if not isinstance(own, str | int | float)]:
        raise OptionsError([Fault("classes", f": {shown(strange[0])} must be the name of a class: quote it")])
    names = list(map(str, classes))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise OptionsError([Fault("classes", f": {', '.join(twice)} is listed twice")])
    given = classes if isinstance(classes, Mapping) else dict.fromkeys(classes)
    faults = [fault for key, entry in given.items() for fault in _faults_of_entry(key, entry)]
    if faults:
        raise OptionsError(faults)
    return {
        str(key): {"phrases": entry} if isinstance(entry, str | list) else dict(entry or {})
        for key, entry in given.items()
    }


def _faults_of_entry(name: Any, entry: Any) -> list[Fault]:
    key = f"classes.{name}"
    if isinstance(name, bool):
        return [Fault(key, ": YAML reads yes, no, on and off as true and false: quote the name")]
    if not (entry is None or isinstance(entry, str | list | Mapping)):
        return [Fault(key, f" must be followed by phrases or by options, not by {shown(entry)}")]
    if isinstance(entry, Mapping) and {"name", "id"} & entry.keys():
        return [Fault(key, ": its name is the key and its id the place in the list: leave them out")]
    return []


def _by_name(fault: Fault, names: Sequence[str]) -> Fault:
    """The fault of the class at a place, as that of the class of a name."""
    return fault._replace(
        key=re.sub(r"^classes\[(\d+)\]", lambda place: f"classes.{names[int(place[1])]}", fault.key)
    )
