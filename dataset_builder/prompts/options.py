"""What a recipe says about its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, field, fields, is_dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from dataset_builder.prompts.caption_filter import PUBLISHED, CaptionFilter
from dataset_builder.prompts.shares import ONE_OBJECT, some_objects
from dataset_builder.prompts.writer_options import WriterOptions, spelled_writer
from dataset_builder.vocabulary import Phrase, Template, Words
from diffusers_attnmask.ground.options import Batch, Count, Name, NotNegative, Positive, Shorthand, options


def naming_the_class(query: str) -> str:
    if "{class}" not in query:
        raise ValueError(f"{query!r} must say {{class}}")
    return query


@options
class TemplateOptions:
    """Prompts made of templates, sub-classes and scenes.

    weight: the share among all sources. templates, scenes: instead of those of the vocabulary. subclasses:
    whether a kind of a class may stand for it. objects: how often a prompt names one class, two, three ({1:
    0.7, 2: 0.3}). co_occurrence: weights of the classes that a class is put together with ({"person":
    {"bicycle": 3, "dog": 1}}); a class not listed meets all others alike.
    """

    weight: Positive = 1.0
    templates: tuple[Template, ...] = ()
    scenes: Words | None = None
    subclasses: bool = True
    objects: Annotated[Mapping[Count, NotNegative], AfterValidator(some_objects)] = field(
        default_factory=ONE_OBJECT.copy
    )
    co_occurrence: Mapping[str, Mapping[str, NotNegative]] = field(default_factory=dict)


@options
class RetrievalOptions:
    """Keep, of each class, the captions nearest to it by CLIP.

    model: any CLIP of transformers, a folder or a Hub name. query: what a caption is compared with.
    per_class: how many captions are kept. batch_size: captions that are embedded at once. cache: folder of
    the embeddings, by default one in the Hugging Face cache.
    """

    model: Name
    query: Annotated[str, AfterValidator(naming_the_class)] = "a photo of a {class}"
    per_class: Count = 1000
    batch_size: Batch = 256
    cache: Name | None = None


def spelled_filter(value: Any) -> Any:
    return {} if value is None else asdict(PUBLISHED) if value == "published" else value


@options
class CaptionOptions:
    """Captions from a file (txt, jsonl, json, csv, Parquet) or from a dataset (`hub:user/name`, a folder).

    path: of the file or dataset. split: of a dataset. weight: the share among all sources. column: by default
    the first of caption, captions, text, prompt. prefix: put before each caption, as the published "Photo of
    ". subclasses: whether a sub-class alone ("golden retriever") names its class. filter: in a recipe also
    "published", which is DiffuMask's. condition: a column with the file of each caption's picture, from the
    folder of the captions, at which a ControlNet or an adapter looks. retrieval: keep the captions nearest to
    their class.
    """

    path: Name
    column: Name | None = None
    split: Name = "train"
    weight: Positive = 1.0
    prefix: Phrase = ""
    subclasses: bool = False
    filter: Annotated[CaptionFilter, Shorthand(spelled_filter, CaptionFilter | Literal["published"])] = field(
        default_factory=CaptionFilter
    )
    retrieval: RetrievalOptions | None = None
    condition: str | None = None


def different(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} is listed twice")
    return names


def spelled_templates(value: Any) -> Any:
    return {} if value is True else None if value is False else value


def spelled_captions(value: Any) -> Any:
    """One entry or several, each a path or options."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return [{"path": entry} if isinstance(entry, str) else entry for entry in entries]


@options
class PromptOptions:
    """The sources of prompts.

    templates: prompts made of templates; in a recipe they are used unless captions or a writer are given, and
    true combines them. captions: of files or datasets; a file may stand there as its path alone. writer: a
    language model that writes prompts; it may stand there as its name alone. classes: some of the vocabulary,
    instead of all. negative: what pictures should not show. conditions: a folder of pictures,
    of which each pair without one of its own gets one, in rounds.
    """

    templates: Annotated[
        TemplateOptions | None, Shorthand(spelled_templates, TemplateOptions | bool | None)
    ] = field(default_factory=TemplateOptions)
    captions: Annotated[
        tuple[CaptionOptions, ...],
        Shorthand(spelled_captions, str | CaptionOptions | list[str | CaptionOptions] | None),
    ] = ()
    writer: Annotated[WriterOptions | None, Shorthand(spelled_writer, str | WriterOptions | None)] = None
    classes: Annotated[Words, AfterValidator(different)] = ()
    negative: Phrase = ""
    conditions: Name | None = None

    @property
    def conditioned(self) -> bool:
        """Whether every prompt has a picture to go by."""
        own = [bool(caption.condition) for caption in self.captions]
        return bool(self.conditions) or (self.templates is None and self.writer is None and all(own))

    def __post_init__(self) -> None:
        if self.templates is None and not self.captions and self.writer is None:
            raise ValueError(
                "there is no source of prompts: name captions or a writer, or leave the templates on"
            )

    @classmethod
    def spelled(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"templates": not (values.get("captions") or values.get("writer")), **values}

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which a recipe makes the same, as short as they can be."""
        combined = {"templates": True} if (self.captions or self.writer) and self.templates else {}
        return combined | changes(self)


def changes(value: Any) -> Any:
    """What options, and those within them, say that is not so by default; other values as they are."""
    if isinstance(value, tuple):
        return list(map(changes, value))
    if not is_dataclass(value):
        return value
    given = {entry: getattr(value, entry.name) for entry in fields(value)}
    return {entry.name: changes(own) for entry, own in given.items() if own != default_of(entry)}


def default_of(entry: Field[Any]) -> Any:
    return entry.default if entry.default_factory is MISSING else entry.default_factory()
