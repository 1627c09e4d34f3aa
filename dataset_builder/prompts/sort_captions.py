"""From raw captions to a source of prompts: cleaned, matched with classes, filtered, and indexed by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from dataset_builder.prompts.caption_source import Caption, CaptionSource
from dataset_builder.prompts.matching import Matcher, ambiguous, clean, named_classes
from dataset_builder.prompts.options import CaptionOptions
from dataset_builder.vocabulary import MOST_CHARACTERS, Vocabulary


def sorted_captions(
    texts: Iterable[tuple[str, str | None]], options: CaptionOptions, vocabulary: Vocabulary
) -> CaptionSource:
    """The usable captions of a sequence, and how many were rejected for which reason.

    texts: each with the file of the picture that it goes with, None where the options name no such column.
    """
    matcher = Matcher(vocabulary, options.subclasses)
    kept: list[Caption] = []
    of_class: dict[str, list[int]] = {}
    seen: set[bytes] = set()
    rejected: Counter[str] = Counter()
    read = 0
    for read, (text, condition) in enumerate(texts, start=1):  # noqa: B007 (counts)
        text = clean(text)
        key = blake2b(text.casefold().encode(), digest_size=12).digest()
        fault = "is empty" if not text else "is repeated" if key in seen else None
        seen.add(key)
        if options.condition and not (condition and Path(condition).is_file()):
            fault = fault or "has no picture to go by"
        caption = fault or usable(text, options, matcher)
        if isinstance(caption, str):
            rejected[caption] += 1
            continue
        for name in caption.near:
            of_class.setdefault(name, []).append(len(kept))
        kept.append(replace(caption, condition=condition))
    return CaptionSource(kept, of_class, options.weight, read, dict(rejected.most_common()))


def usable(text: str, options: CaptionOptions, matcher: Matcher) -> Caption | str:
    """The caption with its classes, or why it cannot be used."""
    if len(text) > MOST_CHARACTERS:
        return f"is longer than {MOST_CHARACTERS} characters"
    mentions = matcher.mentions(text)
    classes = named_classes(mentions)
    if not classes:
        return "names no class"
    if ambiguous(mentions, classes):
        return "names a class within another word"
    fault = options.filter.fault(text, mentions)
    if fault is not None:
        return fault
    near = tuple(dict.fromkeys(options.filter.near(mentions)))
    return Caption(prefixed(options.prefix, text), classes, near)


def prefixed(prefix: str, text: str) -> str:
    """The prefix before the caption, once: a caption that begins with it stays as it is."""
    return text if text.casefold().startswith(prefix.casefold()) else prefix + text
