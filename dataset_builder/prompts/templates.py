"""Prompts made of templates × sub-classes × scenes, with one class or several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from dataset_builder.prompts.draws import shuffled, weighted
from dataset_builder.prompts.item import DrawnPrompt, NamedPhrases
from dataset_builder.prompts.matching import Matcher, ambiguous, clean, named_classes, split_words
from dataset_builder.prompts.options import TemplateOptions
from dataset_builder.vocabulary import Vocabulary, VocabularyClass


@dataclass(frozen=True)
class Subject:
    """A thing as a prompt says it: its class, its words ("Siamese cat"), and the phrase that is the class."""

    name: str
    text: str
    phrase: str
    article: bool


@dataclass(frozen=True)
class TemplateSource:
    """A source of prompts from the words of the vocabulary."""

    options: TemplateOptions
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        for name, partners in self.options.co_occurrence.items():
            for other in (name, *partners):
                self.vocabulary[other]  # raises on an unknown one
        crowd = max(self.options.objects)
        if crowd > len(self.vocabulary.classes):
            raise ValueError(
                f"objects asks for {crowd} classes in a prompt, and vocabulary {self.vocabulary.name!r} has "
                f"{len(self.vocabulary.classes)}"
            )

    @property
    def weight(self) -> float:
        return self.options.weight

    @cached_property
    def matcher(self) -> Matcher:
        return Matcher(self.vocabulary)

    @property
    def templates(self) -> tuple[str, ...]:
        return self.options.templates or self.vocabulary.templates

    def amount(self, name: str) -> int:
        """How many different prompts of this class alone there are."""
        own = self.vocabulary[name]
        return len(self.subclasses(own)) * len(self.scenes(own)) * len(self.templates)

    def draw(self, name: str, visit: int, key: Sequence[object], rng: Random) -> DrawnPrompt:
        """The prompt of the `visit`-th time that the class is asked for: sub-classes come in rounds."""
        own = self.vocabulary[name]
        kinds = self.subclasses(own)
        subject = self.subject(own, kinds[shuffled(visit, len(kinds), *key, name, "kind")])
        template = rng.choice(self.templates)
        partners = self.partners(own, rng)
        scene = rng.choice(self.shared_scenes if partners else self.scenes(own))
        subjects = [subject, *(self.subject(other, rng.choice(self.subclasses(other))) for other in partners)]
        rng.shuffle(subjects)
        for words, place in ((subjects, scene), (subjects, ""), ([subject], scene), ([subject], "")):
            text, classes, clear = self.prompt(template, words, place)
            if clear:
                break
        return DrawnPrompt(text, classes)

    def prompt(
        self, template: str, subjects: Sequence[Subject], scene: str
    ) -> tuple[str, tuple[NamedPhrases, ...], bool]:
        """The text, its classes (those of the scene too), and whether each phrase means one class only."""
        text = in_template(template, in_scene(scene, listed([with_article(own) for own in subjects])))
        mentions = self.matcher.mentions(text, {own.text: own.name for own in subjects})
        said = {split_words(own.text): own.phrase for own in subjects}
        classes = named_classes(
            mention if mention.name is None else mention.saying(said.get(split_words(mention.phrase)))
            for mention in mentions
        )
        return text, classes, not ambiguous(mentions, classes)

    def subclasses(self, own: VocabularyClass) -> tuple[str, ...]:
        return (own.subclasses if self.options.subclasses else ()) or own.phrases[:1]

    def scenes(self, own: VocabularyClass) -> tuple[str, ...]:
        if self.options.scenes is not None:
            return self.options.scenes or ("",)
        return self.vocabulary.scenes if own.scenes is None else own.scenes or ("",)

    @property
    def shared_scenes(self) -> tuple[str, ...]:
        """Scenes that fit several things: never those of a single class."""
        return (self.vocabulary.scenes if self.options.scenes is None else self.options.scenes) or ("",)

    def subject(self, own: VocabularyClass, kind: str) -> Subject:
        """A sub-class that says its class stands alone ("school bus"), others go before it ("tabby cat")."""
        said = f" {' '.join(split_words(kind))} "
        within = [phrase for phrase in own.phrases if f" {' '.join(split_words(phrase))} " in said]
        phrase = max(within, key=len, default=own.phrases[0])
        return Subject(own.name, clean(kind if within else f"{kind} {phrase}"), phrase, own.article)

    def partners(self, own: VocabularyClass, rng: Random) -> list[VocabularyClass]:
        """Other classes for the prompt, by their co-occurrence with the first."""
        counts = sorted(self.options.objects)
        number = counts[weighted(rng, [self.options.objects[count] for count in counts])]
        weights = self.options.co_occurrence.get(own.name)
        pool = {
            other.name: 1.0 if weights is None else weights.get(other.name, 0.0)
            for other in self.vocabulary.classes
            if other.name != own.name
        }
        chosen: list[VocabularyClass] = []
        while len(chosen) < number - 1 and sum(pool.values()) > 0:
            name = list(pool)[weighted(rng, list(pool.values()))]
            del pool[name]
            chosen.append(self.vocabulary[name])
        return chosen


def in_scene(scene: str, objects: str) -> str:
    """`in the street` follows the objects, `the back of {objects}` surrounds them."""
    return scene.replace("{objects}", objects) if "{objects}" in scene else f"{objects} {scene}".strip()


def in_template(template: str, words: str) -> str:
    return clean(template.replace("{objects}", words))


def with_article(subject: Subject) -> str:
    return f"{indefinite(subject.text)} {subject.text}" if subject.article else subject.text


def indefinite(words: str) -> str:
    """By sound where spelling misleads: a unicycle, a European robin, an hourglass, an SUV."""
    if re.match(r"(?i)(uni([^mn]|$)|eu|ewe|one|use|ut[ei]|ukulele)", words):
        return "a"
    spelled = re.match(r"[AEFHILMNORSX][A-Z]", words)  # letters whose names begin with a vowel
    return "an" if spelled or re.match(r"(?i)([aeiou]|hour|heir|honest)", words) else "a"


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
