"""The prompt of a picture, and the phrases in it that stand for its classes."""

from __future__ import annotations

from collections.abc import Sequence

from dataset_builder.prompts import PromptItem
from dataset_builder.prompts.item import NamedPhrases
from dataset_builder.prompts.matching import Matcher, clean, named_classes
from dataset_builder.prompts.templates import indefinite, listed
from dataset_builder.vocabulary import Vocabulary


def described(names: Sequence[str], vocabulary: Vocabulary, picture: str) -> PromptItem:
    """`a photo of a dog and a cat`."""
    classes = tuple((name, (vocabulary[name].phrases[0],)) for name in names)
    return PromptItem(f"a photo of {_listed(classes)}", classes, condition=picture)


def captioned(
    caption: str, names: Sequence[str] | None, vocabulary: Vocabulary, picture: str
) -> PromptItem | None:
    """A caption as the prompt. Known classes that it does not name are added to it; where none are known, its
    own are the picture's, and without any there is no prompt."""
    said = dict(named_classes(Matcher(vocabulary).mentions(text := clean(caption))))
    if names is None:
        return PromptItem(text, tuple(said.items()), condition=picture) if said else None
    silent = tuple((name, (vocabulary[name].phrases[0],)) for name in names if name not in said)
    classes = tuple((name, said[name]) for name in names if name in said) + silent
    return PromptItem(f"{text}, with {_listed(silent)}" if silent else text, classes, condition=picture)


def _listed(classes: Sequence[NamedPhrases]) -> str:
    return listed([f"{indefinite(phrase)} {phrase}" for _, (phrase, *_) in classes])
