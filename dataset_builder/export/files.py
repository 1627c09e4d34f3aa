"""Pairs of image and mask files, as VOC, Cityscapes, mmsegmentation and plain folders hold them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from diffusers_attnmask.ground.pictures import read_mask
from train_segmenter.data.base import FilePairs

VALIDATION = {"validation": "val"}  # what `datasets` and what these formats call it


def file_pairs(source: FilePairs) -> Pairs:
    """The pairs of a source."""

    def read(number: int) -> NamedPair:
        pair = source.pairs[number]
        ids = read_mask(pair.mask)
        ids = ids if source.table is None else source.table[ids]
        return NamedPair(
            pair.image.stem, file_content(pair.image), ids, str(pair.image), source.objects(number, ids)
        )

    return Pairs([pair.image.stem for pair in source.pairs], read)


def file_pair_set(sources: Mapping[str, FilePairs]) -> PairSet:
    """The pairs of the splits of a folder, which name the same classes."""
    names = {source.class_names for source in sources.values()}
    if len(names) > 1:
        raise ValueError(f"the splits {', '.join(sources)} name different classes: import one each")
    splits = {common_name(split): file_pairs(source) for split, source in sources.items()}
    return PairSet(names.pop(), splits, all(own.tells_objects for own in sources.values()))


def file_content(file: Path) -> bytes:
    """An image as it is stored."""
    if not file.is_file():
        raise FileNotFoundError(f"there is no picture {file}")
    return file.read_bytes()


def existing(splits: dict[str, bool], asked: str | None, what: str) -> list[str]:
    """The split asked for, or all that are there."""
    found = [asked] if asked else [split for split, there in splits.items() if there]
    if not found:
        raise FileNotFoundError(f"{what} has none of the splits {', '.join(splits)}: name one with --split")
    return found


def own_name(split: str) -> str:
    """A split as these formats call it."""
    return VALIDATION.get(split, split)


def common_name(split: str) -> str:
    """A split as `datasets` calls it."""
    return {own: common for common, own in VALIDATION.items()}.get(split, split)
