"""What a recipe says about a writer of prompts: a causal language model of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from dataset_builder.prompts.shares import ONE_OBJECT, some_objects
from dataset_builder.vocabulary import Words
from diffusers_attnmask.ground.options import (
    Batch,
    Count,
    Fault,
    Name,
    NotNegative,
    OptionsError,
    Positive,
    Share,
    options,
)

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}


def countable(weights: Mapping[int, float]) -> Mapping[int, float]:
    if max(weights, default=1) > max(NUMBERS):
        raise ValueError(
            f"{max(weights)} of a kind is more than a picture shows: ask for {max(NUMBERS)} at most"
        )
    return some_objects(weights)


Counts = Annotated[Mapping[Count, NotNegative], AfterValidator(some_objects)]


@options(kw_only=True)
class WriterOptions:
    """Scenes that a causal language model of transformers writes for the classes.

    model: a folder or Hub name. revision: of a repository. weight: the share among all sources. objects: how
    often a prompt is to name one class, two, three. numbers: how many there are of the class that it is made
    for; {1: 0.7, 2: 0.3} asks for "two cats" in three of ten. decoys: things that are no classes, for prompts
    to name beside them. decoy_share: the share of prompts that are to name one. min_words, max_words: of a
    prompt. temperature, top_p: of drawing words. attempts: how often a prompt is drawn again that lacks one
    of these words, has another length or was written before; then a template takes its place. batch_size:
    prompts that are drawn at once, which is part of what decides them.
    """

    model: Name
    revision: Name | None = None
    weight: Positive = 1.0
    objects: Counts = field(default_factory=ONE_OBJECT.copy)
    numbers: Annotated[Mapping[Count, NotNegative], AfterValidator(countable)] = field(
        default_factory=ONE_OBJECT.copy
    )
    decoys: Words = ()
    decoy_share: Share = 0.5
    min_words: Count = 4
    max_words: Annotated[int, Field(ge=1, le=200)] = 25
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.9
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    attempts: Annotated[int, Field(ge=1, le=1000)] = 16
    batch_size: Batch = 16

    def __post_init__(self) -> None:
        if self.max_words < self.min_words:
            least = f" must be at least min_words, {self.min_words}, not {self.max_words}"
            raise OptionsError([Fault("max_words", least)])


def spelled_writer(value: Any) -> Any:
    """A model's name alone, or options."""
    return {"model": value} if isinstance(value, str) else value
