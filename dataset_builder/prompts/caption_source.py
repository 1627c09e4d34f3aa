"""Captions as a source of prompts, indexed by the classes that they may stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from dataset_builder.prompts.draws import shuffled
from dataset_builder.prompts.item import DrawnPrompt, NamedPhrases


@dataclass(frozen=True)
class Caption:
    """A caption that may be sampled; near: the classes that it may stand for (named early enough).

    condition: the file of the picture that it goes with.
    """

    text: str
    classes: tuple[NamedPhrases, ...]
    near: tuple[str, ...]
    condition: str | None = None


@dataclass(frozen=True)
class CaptionSource:
    """A source of prompts from captions; of_class: positions in `captions` for each class."""

    captions: Sequence[Caption]
    of_class: Mapping[str, Sequence[int]]
    weight: float = 1.0
    read: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)

    def amount(self, name: str) -> int:
        return len(self.of_class.get(name, ()))

    def draw(self, name: str, visit: int, key: Sequence[object], rng: Random) -> DrawnPrompt:
        """The class's captions in rounds, each round in an order of its own."""
        places = self.of_class[name]
        caption = self.captions[places[shuffled(visit, len(places), *key, name, "caption")]]
        return DrawnPrompt(caption.text, caption.classes, caption.condition)
