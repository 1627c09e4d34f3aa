"""PASCAL VOC 2012: `JPEGImages`, `SegmentationClass` and the lists of `ImageSets/Segmentation`."""

from __future__ import annotations

from pathlib import Path

from train_segmenter.data.base import FilePair, FilePairs
from train_segmenter.data.tables import voc_names

AUGMENTED = "trainaug"  # the 10,582 images with the masks of Hariharan et al., kept in a folder of their own


def voc(root: Path, split: str = "train") -> FilePairs:
    """The pairs of a list (train, val, trainval, trainaug or one of yours); `root` holds `JPEGImages`."""
    names = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    if not names.is_file():
        known = sorted(path.stem for path in names.parent.glob("*.txt"))
        raise FileNotFoundError(f"VOC has no list {names}. Lists there: {', '.join(known) or 'none'}.")
    masks = root / ("SegmentationClassAug" if split == AUGMENTED else "SegmentationClass")
    pairs = (_pair(root, masks, line.split()) for line in names.read_text().splitlines() if line.strip())
    return FilePairs(voc_names(), tuple(pairs))


def _pair(root: Path, masks: Path, columns: list[str]) -> FilePair:
    if (
        len(columns) == 2
    ):  # the augmented list also goes round as "/JPEGImages/x.jpg /SegmentationClassAug/x.png"
        return FilePair(root / columns[0].lstrip("/"), root / columns[1].lstrip("/"))
    return FilePair(root / "JPEGImages" / f"{columns[0]}.jpg", masks / f"{columns[0]}.png")
