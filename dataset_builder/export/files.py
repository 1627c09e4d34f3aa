"""Pairs of image and mask files, as VOC, Cityscapes, mmsegmentation and plain folders hold them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dataset_builder.dataset_folder import LABELS
from dataset_builder.export.pair_set import NamedPair, Pairs
from dataset_builder.export.safety import check_sizes, inside, opened, opened_mask
from train_segmenter.data.base import FilePairs
from train_segmenter.data.folder import class_names

VALIDATION = {"validation": "val"}  # what `datasets` and what these formats call it


def file_pairs(source: FilePairs, root: Path) -> Pairs:
    """The pairs of a source, whose files must lie below the root."""
    files = [
        replace(pair, image=_below(root, pair.image), mask=_below(root, pair.mask)) for pair in source.pairs
    ]

    def read(number: int) -> NamedPair:
        pair = files[number]
        image = pair.image.read_bytes()
        ids = opened_mask(pair.mask.read_bytes(), str(pair.mask))
        check_sizes(opened(image, str(pair.image)), ids, str(pair.image))
        return NamedPair(pair.image.stem, image, ids if source.table is None else source.table[ids])

    return Pairs([pair.image.stem for pair in files], read)


def named_classes(root: Path, default: tuple[str, ...]) -> tuple[str, ...]:
    """The names of `id2label.json`, which these exports write, else those of the format."""
    return class_names(root) if (root / LABELS).is_file() else default


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


def _below(root: Path, path: Path) -> Path:
    return inside(root, str(path.relative_to(root) if path.is_relative_to(root) else path))
