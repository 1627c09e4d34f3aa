"""PASCAL VOC 2012: `JPEGImages`, `SegmentationClass` and the lists of `ImageSets/Segmentation`."""

from __future__ import annotations

from pathlib import Path

from train_segmenter.data.base import FilePair, FilePairs
from train_segmenter.data.home import Home
from train_segmenter.data.names import read_lines, read_names
from train_segmenter.data.tables import voc_names

DEVKIT = Path("VOCdevkit") / "VOC2012"  # where the official archive, torchvision and exports have it
MASKS, OBJECTS = "SegmentationClass", "SegmentationObject"
AUGMENTED = "trainaug"  # the 10,582 images with the masks of Hariharan et al., kept in a folder of their own


def voc_home(path: Path) -> Path:
    """The folder with `JPEGImages`: the one given, or the one of the official archive below it."""
    return path / DEVKIT if (path / DEVKIT).is_dir() else path


def voc(path: Path, split: str = "train", *, outside: bool = False) -> FilePairs:
    """The pairs of a list (train, val, trainval, trainaug or one of yours).

    The classes are those that `id2label.json` or `classes.txt` beside `JPEGImages` names, else VOC's own 20.
    """
    root, home = voc_home(path), Home(path, outside)
    names = home.file(f"ImageSets/Segmentation/{split}.txt", root)
    if not names.is_file():
        known = sorted(path.stem for path in names.parent.glob("*.txt"))
        raise FileNotFoundError(f"VOC has no list {names}. Lists there: {', '.join(known) or 'none'}.")
    masks = "SegmentationClassAug" if split == AUGMENTED else MASKS
    lines = [line.split() for line in read_lines(names)]
    pairs = tuple(_pair(*_files(columns, masks, names), root, home) for columns in lines if columns)
    if not pairs:
        raise ValueError(f"VOC's list {names} names no picture.")
    return FilePairs(read_names(root) or voc_names(), pairs)


def _pair(image: tuple[str, str], mask: tuple[str, str], root: Path, home: Home) -> FilePair:
    """The files of a pair, each by its folder and its name; exports may hold pictures as PNG."""
    picture, ids = (home.file(name, root / folder) for folder, name in (image, mask))
    if not picture.is_file() and picture.with_suffix(".png").is_file():
        picture = home.path(picture.with_suffix(".png"))
    objects = home.file(mask[1], root / OBJECTS) if mask[0] == MASKS else None
    return FilePair(picture, ids, objects if objects and objects.is_file() else None)


def _files(columns: list[str], masks: str, names: Path) -> tuple[tuple[str, str], tuple[str, str]]:
    """The image and the mask that a line names, each after its folder."""
    if len(columns) == 1:
        return ("JPEGImages", f"{columns[0]}.jpg"), (masks, f"{columns[0]}.png")
    if len(columns) == 2:  # trainaug also goes round as "/JPEGImages/x.jpg /SegmentationClassAug/x.png"
        return ("", columns[0].lstrip("/")), ("", columns[1].lstrip("/"))
    raise ValueError(f"VOC's list {names} has a line of {len(columns)} columns: {' '.join(columns)}")
