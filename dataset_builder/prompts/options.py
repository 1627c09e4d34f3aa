"""What a recipe says about its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataset_builder.prompts.caption_filter import PUBLISHED, CaptionFilter
from diffusers_attnmask.ground.options import options_from

ONE_OBJECT = {1: 1.0}


@dataclass(frozen=True)
class TemplateOptions:
    """Prompts made of templates, sub-classes and scenes.

    weight: the share among all sources. templates, scenes: instead of those of the vocabulary. objects: how
    often a prompt names one class, two, three ({1: 0.7, 2: 0.3}). co_occurrence: weights of the classes that
    a class is put together with ({"person": {"bicycle": 3, "dog": 1}}); a class not listed meets all others
    alike.
    """

    weight: float = 1.0
    templates: tuple[str, ...] = ()
    scenes: tuple[str, ...] | None = None
    subclasses: bool = True
    objects: Mapping[int, float] = field(default_factory=ONE_OBJECT.copy)
    co_occurrence: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_weight(self.weight)
        for template in self.templates:
            if template.count("{objects}") != 1:
                raise ValueError(f"template {template!r} must say {{objects}} once")
        objects = {int(number): weight for number, weight in self.objects.items()}  # JSON has no whole keys
        object.__setattr__(self, "objects", objects)
        if any(number < 1 or weight < 0 for number, weight in objects.items()) or not sum(objects.values()):
            raise ValueError(
                f"objects {dict(self.objects)} must give numbers of classes their weights: {{1: 0.7, 2: 0.3}}"
            )


@dataclass(frozen=True)
class RetrievalOptions:
    """Keep, of each class, the captions nearest to it by CLIP.

    model: any CLIP of transformers, a folder or a Hub name. query: what a caption is compared with. cache:
    folder of the embeddings, by default one in the Hugging Face cache.
    """

    model: str
    query: str = "a photo of a {class}"
    per_class: int = 1000
    batch_size: int = 256
    cache: str | None = None

    def __post_init__(self) -> None:
        if "{class}" not in self.query:
            raise ValueError(f"query {self.query!r} must say {{class}}")
        if self.per_class < 1 or self.batch_size < 1:
            raise ValueError(
                f"per_class {self.per_class} and batch_size {self.batch_size} must be at least 1"
            )


@dataclass(frozen=True)
class CaptionOptions:
    """Captions from a file (txt, jsonl, json, csv, Parquet) or from a dataset (`hub:user/name`, a folder).

    column: by default the first of caption, captions, text, prompt. prefix: put before each caption, as the
    published "Photo of ". subclasses: whether a sub-class alone ("golden retriever") names its class.
    """

    path: str
    column: str | None = None
    split: str = "train"
    weight: float = 1.0
    prefix: str = ""
    subclasses: bool = False
    filter: CaptionFilter = field(default_factory=CaptionFilter)
    retrieval: RetrievalOptions | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)


@dataclass(frozen=True)
class PromptOptions:
    """The sources of prompts; `classes` limits the plan to some classes of the vocabulary."""

    templates: TemplateOptions | None = field(default_factory=TemplateOptions)
    captions: tuple[CaptionOptions, ...] = ()
    classes: tuple[str, ...] = ()
    negative: str = ""

    def __post_init__(self) -> None:
        if self.templates is None and not self.captions:
            raise ValueError("there is no source of prompts: name captions, or leave the templates on")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any] | None) -> PromptOptions:
        """From a recipe. Templates are used unless captions are given; `templates: {}` combines both."""
        values = {} if values is None else values
        if not isinstance(values, Mapping):
            raise TypeError(f"prompts must be a mapping, not {values!r}")
        values = dict(values)
        captions = values.get("captions") or []
        given = values.get("templates", not captions)
        values["templates"] = (
            None
            if given is None or given is False
            else options_from(TemplateOptions, {} if given is True else given, "prompts.templates")
        )
        captions = captions if isinstance(captions, list | tuple) else [captions]
        values["captions"] = tuple(
            caption_options(entry, f"prompts.captions[{i}]") for i, entry in enumerate(captions)
        )
        return options_from(cls, values, "prompts")


def caption_options(entry: Any, where: str) -> CaptionOptions:
    """A path, or a mapping of options; `filter: published` is DiffuMask's."""
    values = {"path": entry} if isinstance(entry, str) else entry
    if isinstance(values, Mapping):
        values = dict(values)
        rules = values.get("filter")
        if rules == "published":
            values["filter"] = PUBLISHED
        elif rules is not None:
            values["filter"] = options_from(CaptionFilter, rules, f"{where}.filter")
        else:
            values.pop("filter", None)
        if values.get("retrieval") is not None:
            values["retrieval"] = options_from(RetrievalOptions, values["retrieval"], f"{where}.retrieval")
    return options_from(CaptionOptions, values, where)


def check_weight(weight: float) -> None:
    if not weight > 0:
        raise ValueError(f"weight {weight} must be above 0: leave the source out instead")
