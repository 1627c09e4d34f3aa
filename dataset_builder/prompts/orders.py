"""What a written prompt must say: its classes, how many there are of the first, and perhaps a decoy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from dataset_builder.prompts.draws import weighted
from dataset_builder.prompts.item import NamedPhrases
from dataset_builder.prompts.matching import Matcher, ambiguous, named_classes, plural, split_words
from dataset_builder.prompts.templates import indefinite, listed
from dataset_builder.prompts.writer_options import NUMBERS, WriterOptions
from dataset_builder.vocabulary import MOST_CHARACTERS, Vocabulary, VocabularyClass

REQUEST = (
    "Write one sentence of {least} to {most} words that describes a photograph of {things}. Say {words}. Be "
    "concrete about the place and what happens there. Answer with the sentence alone."
)
WORDS_BETWEEN = 3  # a number and what it counts, as in "two small black cats"


@dataclass(frozen=True)
class Order:
    """The classes of a prompt, the one that it is made for first; number: how many of that one there are."""

    classes: tuple[VocabularyClass, ...]
    number: int = 1
    decoy: str = ""

    @property
    def name(self) -> str:
        return self.classes[0].name

    @property
    def words(self) -> list[str]:
        """What the prompt must say."""
        first, *others = (own.phrases[0] for own in self.classes)
        counted = f"{NUMBERS[self.number]} {plural(first)}" if self.number > 1 else first
        return [counted, *others, *([self.decoy] if self.decoy else [])]

    @property
    def things(self) -> list[str]:
        """The same with their articles."""
        first, *others = (own.article for own in self.classes)
        articles = [first and self.number == 1, *others, *([True] if self.decoy else [])]
        said = zip(self.words, articles, strict=True)
        return [f"{indefinite(word)} {word}" if article else word for word, article in said]

    def request(self, options: WriterOptions) -> str:
        """The task, as a model is given it."""
        words = listed([f'"{word}"' for word in self.words])
        return REQUEST.format(
            least=options.min_words, most=options.max_words, things=listed(self.things), words=words
        )


def drawn_order(name: str, options: WriterOptions, vocabulary: Vocabulary, rng: Random) -> Order:
    """A class with what else its prompt is to say."""
    others = [own for own in vocabulary.classes if own.name != name]
    partners = rng.sample(others, min(_drawn(options.objects, rng) - 1, len(others)))
    number = _drawn(options.numbers, rng)
    decoy = rng.choice(options.decoys) if options.decoys and rng.random() < options.decoy_share else ""
    return Order((vocabulary[name], *partners), number, decoy)


def read_answer(
    text: str, order: Order, options: WriterOptions, matcher: Matcher
) -> tuple[NamedPhrases, ...] | str:
    """The classes that a written prompt names, also unasked for; or what is wrong with it."""
    words = split_words(text)
    if len(words) < options.min_words:
        return f"has fewer than {options.min_words} words"
    if len(words) > options.max_words or len(text) > MOST_CHARACTERS:
        return f"has more than {options.max_words} words"
    mentions = matcher.mentions(text)
    classes = named_classes(mentions)
    named = {name for name, _ in classes}
    if missing := [own.name for own in order.classes if own.name not in named]:
        return f"does not name {missing[0]!r}"
    if ambiguous(mentions, classes):
        return "names a class within another word"
    if order.number > 1 and not says_number(text, order):
        return f"does not say {order.words[0]!r}"
    if order.decoy and not _says(words, order.decoy):
        return f"does not name the decoy {order.decoy!r}"
    return classes


def says_number(text: str, order: Order) -> bool:
    """Whether the number stands before one of the class's words, with a few words between at most."""
    kinds = "|".join(re.escape(plural(phrase)) for phrase in order.classes[0].phrases)
    number = rf"({NUMBERS[order.number]}|{order.number})"
    return re.search(rf"(?i)\b{number}(\W+\w+){{0,{WORDS_BETWEEN}}}?\W+({kinds})\b", text) is not None


def _says(words: Sequence[str], phrase: str) -> bool:
    spaced = f" {' '.join(words)} "
    return any(f" {' '.join(split_words(own))} " in spaced for own in (phrase, plural(phrase)))


def _drawn(weights: Mapping[int, float], rng: Random) -> int:
    counts = sorted(weights)
    return counts[weighted(rng, [weights[count] for count in counts])]
