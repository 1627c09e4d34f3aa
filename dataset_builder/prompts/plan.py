"""The plan of a dataset's prompts: item i is a function of options, vocabulary, seed and i alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Protocol

from dataset_builder.prompts.caption_source import CaptionSource
from dataset_builder.prompts.captions import caption_pairs
from dataset_builder.prompts.draws import generator, shuffled, weighted
from dataset_builder.prompts.item import DrawnPrompt, PromptItem
from dataset_builder.prompts.options import CaptionOptions, PromptOptions
from dataset_builder.prompts.retrieval import nearest_captions
from dataset_builder.prompts.sort_captions import sorted_captions
from dataset_builder.prompts.templates import TemplateSource
from dataset_builder.prompts.writer_source import writer_source
from dataset_builder.vocabulary import Vocabulary
from train_segmenter.data.base import image_files


class PromptSource(Protocol):
    """Prompts by class; `amount` tells how many different ones there are, 0 for none."""

    @property
    def weight(self) -> float: ...

    def amount(self, name: str) -> int: ...

    def draw(self, name: str, visit: int, key: Sequence[object], rng: Random) -> DrawnPrompt: ...


@dataclass(frozen=True)
class PromptReport:
    """What the plan is made of.

    per_class: different prompts of each class, over all sources. without: classes that no source can serve.
    rejected: reasons and counts of captions.
    """

    per_class: Mapping[str, int]
    without: tuple[str, ...] = ()
    captions_read: int = 0
    captions_kept: int = 0
    rejected: Mapping[str, int] | None = None


@dataclass(frozen=True)
class PromptPlan:
    """An endless, seeded sequence of prompts in which every class has its turn once per round."""

    sources: tuple[PromptSource, ...]
    names: tuple[str, ...]
    seed: int
    negative: str
    report: PromptReport
    fingerprint: str
    conditions: tuple[str, ...] = ()  # files, for prompts without one of their own

    def __getitem__(self, index: int) -> PromptItem:
        if index < 0:
            raise IndexError(f"prompt {index}: a plan counts from 0 and has no end")
        name = self.main_class(index)
        rng = generator(self.seed, "prompt", index)
        able = [(place, source) for place, source in enumerate(self.sources) if source.amount(name)]
        place, source = able[weighted(rng, [source.weight for _, source in able])]
        drawn = source.draw(name, index // len(self.names), (self.seed, place), rng)
        condition = drawn.condition
        if condition is None and self.conditions:
            condition = self.conditions[shuffled(index, len(self.conditions), self.seed, "condition")]
        return PromptItem(drawn.text, drawn.classes, self.negative, condition)

    def main_class(self, index: int) -> str:
        """The class for which prompt `index` was made."""
        return self.names[shuffled(index, len(self.names), self.seed, "class")]

    def pairs_of(self, pairs: int) -> dict[str, int]:
        """For how many of the first prompts each class is the one that they are made for."""
        rounds, rest = divmod(pairs, len(self.names))
        last = Counter(map(self.main_class, range(pairs - rest, pairs)))
        return {name: rounds + last[name] for name in self.names if rounds or last[name]}


def prompt_plan(
    options: PromptOptions, vocabulary: Vocabulary, seed: int, folder: Path | None = None
) -> PromptPlan:
    """Read what the options name, and plan prompts from it.

    folder: where those are kept that a language model writes, by default in the Hugging Face cache. It begins
    to write when the first of them is drawn.
    """
    asked = options.classes or tuple(own.name for own in vocabulary.classes)
    for name in asked:
        vocabulary[name]  # raises on an unknown one
    sources: list[PromptSource] = [caption_source(own, vocabulary) for own in options.captions]
    if options.templates is not None:
        sources.append(TemplateSource(options.templates, vocabulary))
    if options.writer is not None:
        sources.append(writer_source(options.writer, vocabulary, asked, seed, folder))
    per_class = {name: sum(source.amount(name) for source in sources) for name in asked}
    report = report_of(per_class, [source for source in sources if isinstance(source, CaptionSource)])
    names = tuple(name for name, amount in per_class.items() if amount)
    if not names:
        raise ValueError(
            f"none of {report.captions_read} captions names a class of vocabulary {vocabulary.name!r} and "
            f"passes the filter: {dict(report.rejected or {})}"
        )
    digest = fingerprint(options, vocabulary, seed, sources)
    conditions = tuple(map(str, image_files(Path(options.conditions)))) if options.conditions else ()
    return PromptPlan(tuple(sources), names, seed, options.negative, report, digest, conditions)


def caption_source(options: CaptionOptions, vocabulary: Vocabulary) -> CaptionSource:
    """Read and sort the captions that the options name; with retrieval, keep the nearest of each class."""
    texts = caption_pairs(options.path, options.column, options.split, options.condition)
    source = sorted_captions(texts, options, vocabulary)
    return nearest_captions(source, options.retrieval, vocabulary) if options.retrieval else source


def report_of(per_class: Mapping[str, int], sources: Sequence[CaptionSource]) -> PromptReport:
    rejected: dict[str, int] = {}
    for source in sources:
        for reason, count in source.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + count
    return PromptReport(
        per_class,
        tuple(name for name, amount in per_class.items() if not amount),
        sum(source.read for source in sources),
        sum(len(source.captions) for source in sources),
        rejected,
    )


def fingerprint(
    options: PromptOptions, vocabulary: Vocabulary, seed: int, sources: Sequence[PromptSource]
) -> str:
    """Of all that decides the prompts, with the content of captions and of the pictures that they name."""
    digest = sha256(repr((asdict(options), asdict(vocabulary), seed)).encode())
    content = cache(lambda file: sha256(Path(file).read_bytes()).hexdigest())  # many captions to a picture
    for source in sources:
        digest.update(getattr(source, "identity", "").encode())
        for caption in getattr(source, "captions", ()):
            beside = caption.condition and content(caption.condition)
            digest.update(repr((caption.text, caption.classes, caption.near, beside)).encode())
    return digest.hexdigest()
