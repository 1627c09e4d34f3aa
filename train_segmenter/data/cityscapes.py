"""Cityscapes, fine annotations: label ids become the 19 train ids of the benchmark."""

from __future__ import annotations

from pathlib import Path

from train_segmenter.data.base import FilePair, FilePairs
from train_segmenter.data.home import Home
from train_segmenter.data.split_parts import no_split
from train_segmenter.data.tables import cityscapes_labels, cityscapes_names, lookup

FIRST_OBJECT = 1000  # instance ids below are labels without objects


def cityscapes(root: Path, split: str = "train", *, outside: bool = False) -> FilePairs:
    """The pairs below `leftImg8bit/SPLIT` and `gtFine/SPLIT`."""
    home = Home(root, outside)
    folder = root / "leftImg8bit" / split
    images = sorted(folder.glob("*/*_leftImg8bit.png"))
    if not folder.is_dir() and folder.parent.is_dir():
        raise no_split(root, split, sorted(own.name for own in folder.parent.iterdir()))
    if not images:
        raise FileNotFoundError(f"Cityscapes has no picture {folder}/CITY/*_leftImg8bit.png.")
    return FilePairs(
        cityscapes_names(),
        tuple(_pair(root, split, image, home) for image in images),
        lookup({label: train for label, (_, train) in cityscapes_labels().items()}),
        FIRST_OBJECT,
    )


def _pair(root: Path, split: str, image: Path, home: Home) -> FilePair:
    labels, objects = (
        root / "gtFine" / split / image.parent.name / image.name.replace("_leftImg8bit", f"_gtFine_{what}")
        for what in ("labelIds", "instanceIds")
    )
    told = home.path(objects) if objects.is_file() else None
    return FilePair(home.path(image), home.path(labels), told)
