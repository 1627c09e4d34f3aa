"""`name@split[:10%]`: which part of which data a word means, in the slice language of `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from datasets import ReadInstruction

from train_segmenter.data.base import Sample, Source

PART = re.compile(r"(?P<split>[^\[\](]+)(?P<piece>(\[[^\]]*\])?(\(\w+\))?)")
FORMS = "write a split as train, or a part of it as train[:10%], train[100:200] or train[-5%:]"


class Part(NamedTuple):
    """A split, or what of it `datasets` calls so: `[:10%]`, `[100:200]`, `[-5%:]`."""

    split: str
    piece: str = ""

    def __str__(self) -> str:
        return f"{self.split}{self.piece}"

    def numbers(self, length: int) -> range:
        """Which pairs these are of a split of so many; none is refused.

        >>> Part("train", "[:10%]").numbers(250), Part("train", "[-5:]").numbers(250)
        (range(0, 25), range(245, 250))
        """
        [own] = ReadInstruction.from_spec(f"all{self.piece}").to_absolute({"all": length})
        if own.from_ >= own.to:
            raise ValueError(f"{self} holds no pair: {self.split} has {length}")
        return range(own.from_, own.to)


class DataWord(NamedTuple):
    """Where data are, and which parts of them are meant; no part where the word names none."""

    path: str
    parts: tuple[Part, ...] = ()


def format_of(word: str) -> tuple[str, str]:
    """The format that a word names before its colon, in small letters, and the rest; a colon between the ends
    of a part is none, nor is that of an address.

    >>> format_of("VOC:data@val[:10%]"), format_of("data@val[:10%]"), format_of("s3://bucket/data")
    (('voc', 'data@val[:10%]'), ('', 'data@val[:10%]'), ('', 's3://bucket/data'))
    """
    prefix, colon, rest = word.partition(":")
    is_format = colon and "[" not in prefix and not rest.startswith("//")
    return (prefix.lower(), rest) if is_format else ("", word)


def data_word(word: str | Path) -> DataWord:
    """The path and the parts of `path@train[:10%]+validation`; a path that is there is taken as it is.

    >>> data_word("user/name@train[:10%]").parts, data_word("sftp://me@host/set").parts
    ((Part(split='train', piece='[:10%]'),), ())
    """
    if not str(word).strip():
        raise ValueError(f"{word!r} names no data: give a folder or a Hub name")
    path, at, parts = str(word).rpartition("@")
    if not at or "/" in parts or Path(word).exists():
        return DataWord(str(word))
    if not parts:
        raise ValueError(f"{word} names no split after @: {FORMS}")
    return DataWord(path, parts_of(parts))


def parts_of(words: str) -> tuple[Part, ...]:
    """The parts that are joined by a plus; none in no word."""
    return tuple(map(_part, words.split("+"))) if words else ()


def no_split(origin: object, split: str, known: Iterable[object]) -> ValueError:
    """What is wrong where data have no such split."""
    listed = ", ".join(map(str, known)) or "none"
    return ValueError(f"{origin} has no split {split!r}; it has {listed}")


def _part(word: str) -> Part:
    match = PART.fullmatch(word.strip())
    if match is None:
        raise ValueError(f"{word!r} is no part of data: {FORMS}")
    try:
        ReadInstruction.from_spec(f"all{match['piece']}")
    except ValueError as mistake:
        raise ValueError(f"{word!r} is no part of data: {FORMS}") from mistake
    return Part(match["split"], match["piece"])


@dataclass(frozen=True)
class ChosenPairs:
    """Pairs of a source by their numbers."""

    source: Source
    numbers: range

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.source.class_names

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Sample:
        return self.source[self.numbers[index]]

    def name(self, index: int) -> str:
        return self.source.name(self.numbers[index])
