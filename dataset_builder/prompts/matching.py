"""From the words of a caption to the classes that they name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dataset_builder.prompts.item import NamedPhrases
from dataset_builder.vocabulary import Vocabulary

WORD = re.compile(r"\w+")
IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "mouse": "mice",
    "knife": "knives",
    "calf": "calves",
    "goose": "geese",
    "ox": "oxen",
    "foot": "feet",
}
Words = tuple[str, ...]


@dataclass(frozen=True)
class Mention:
    """A phrase of a text and the class it means; no class where the phrase is a decoy.

    place: the phrase begins with this word of the text, counted from 0.
    """

    name: str | None
    phrase: str
    place: int

    def saying(self, phrase: str | None) -> Mention:
        """The same with the part of it that is the class's own word, where one is given."""
        return self if phrase is None else replace(self, phrase=phrase)


class Matcher:
    """Finds whole-word phrases in any case, singular or plural; the longest phrase at a place wins."""

    def __init__(self, vocabulary: Vocabulary, subclasses: bool = False) -> None:
        self.owners: dict[Words, str | None] = {}
        for own in vocabulary.classes:
            self._add(own.decoys, None)
        for own in vocabulary.classes:
            self._add((*own.phrases, own.name, *(own.subclasses if subclasses else ())), own.name)
        self.longest = max(map(len, self.owners))

    def _add(self, phrases: Iterable[str], name: str | None) -> None:
        for phrase in phrases:
            for words in (split_words(phrase), split_words(plural(phrase))):
                if words:
                    self.owners.setdefault(words, name)

    def mentions(self, text: str, claimed: Mapping[str, str] | None = None) -> list[Mention]:
        """The phrases of the text, from left to right. `claimed` are further phrases and their classes."""
        own = {split_words(phrase): name for phrase, name in (claimed or {}).items()}
        longest = max(self.longest, *map(len, own), 0)
        found = list(WORD.finditer(text))
        words = [match.group().casefold() for match in found]
        place, mentions = 0, []
        while place < len(words):
            for length in range(min(longest, len(words) - place), 0, -1):
                key = tuple(words[place : place + length])
                if key in own or key in self.owners:
                    name = own[key] if key in own else self.owners[key]
                    phrase = text[found[place].start() : found[place + length - 1].end()]
                    if joined(phrase):
                        mentions.append(Mention(name, phrase, place))
                        place += length - 1
                        break
            place += 1
        return mentions


def named_classes(mentions: Iterable[Mention]) -> tuple[NamedPhrases, ...]:
    """The classes in the order of the text, each with its different phrases."""
    phrases: dict[str, dict[str, str]] = {}
    for mention in mentions:
        if mention.name is not None:
            phrases.setdefault(mention.name, {}).setdefault(mention.phrase.casefold(), mention.phrase)
    return tuple((name, tuple(own.values())) for name, own in phrases.items())


def ambiguous(mentions: Iterable[Mention], classes: Iterable[NamedPhrases]) -> bool:
    """Whether a phrase also stands inside what means something else, as the dog of a hot dog.

    Its attention would be mixed with that of the other thing.
    """
    others = [(mention.name, f" {' '.join(split_words(mention.phrase))} ") for mention in mentions]
    return any(
        name != owner and f" {' '.join(split_words(phrase))} " in inside
        for name, phrases in classes
        for phrase in phrases
        for owner, inside in others
    )


def split_words(text: str) -> Words:
    return tuple(word.casefold() for word in WORD.findall(text))


def clean(text: str) -> str:
    """One line, composed characters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def joined(phrase: str) -> bool:
    """Whether only spaces and hyphens stand between the words: "hot, dog" is no "hot dog"."""
    return re.fullmatch(r"[\w\s'’-]+", phrase) is not None


def plural(phrase: str) -> str:
    """The phrase with its last word in the plural.

    >>> plural("potted plant"), plural("bus"), plural("old man")
    ('potted plants', 'buses', 'old men')
    """
    *first, last = phrase.split() or [""]
    if last.casefold() in IRREGULAR:
        last = IRREGULAR[last.casefold()]
    elif re.search(r"(s|x|z|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*first, last])
