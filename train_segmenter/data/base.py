"""What a data source is, and the one that reads image and mask files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.instances import check_objects
from diffusers_attnmask.ground.pictures import object_ids, opened_file, read_image, read_mask
from train_segmenter.data.home import Home

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Sample:
    """One pair: image uint8 (H, W, 3), mask uint8 (H, W) of class ids, and the name for error messages.

    objects: uint16 (H, W), a number for the object at every pixel, where the data tell them apart.
    """

    image: np.ndarray
    mask: np.ndarray
    name: str
    objects: np.ndarray | None = None


class Source(Protocol):
    """Pairs by index, read by several threads at once."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of id `i` at `i`; the background, where there is one, is id 0."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def name(self, index: int) -> str:
        """The pair's name, without reading it."""
        ...


@dataclass(frozen=True)
class FilePair:
    """The files of one pair; objects: of numbers at every pixel, where there is one."""

    image: Path
    mask: Path
    objects: Path | None = None

    @property
    def name(self) -> str:
        return self.mask.name


@dataclass(frozen=True)
class FilePairs:
    """Image and mask files; `table` uint8 (256,), where given, turns the files' ids into class ids.

    first_object: the least number of an object in their files; what lies below tells none.
    """

    class_names: tuple[str, ...]
    pairs: tuple[FilePair, ...]
    table: np.ndarray | None = None
    first_object: int = 1

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        return self.pairs[index].name

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        mask = read_mask(pair.mask)
        mask = mask if self.table is None else self.table[mask]
        sample = Sample(read_image(pair.image), mask, pair.name, self.objects(index, mask))
        return checked(sample, len(self.class_names), str(pair.mask))

    @property
    def tells_objects(self) -> bool:
        return all(pair.objects is not None for pair in self.pairs)

    def objects(self, index: int, mask: np.ndarray) -> np.ndarray | None:
        """Numbers uint16 (H, W) of the objects in a pair's mask (H, W), where there is a file of them."""
        file = self.pairs[index].objects
        if file is None:
            return None
        numbers = object_ids(opened_file(file), str(file))
        if numbers.shape != mask.shape:
            check_objects(numbers, mask, str(file))
        return np.where((numbers >= self.first_object) & (mask != IGNORE_ID), numbers, 0).astype(np.uint16)


def checked(sample: Sample, classes: int, name: str = "") -> Sample:
    """The pair itself, unless its sizes differ or its mask holds an id of no class."""
    if wrong := fault(sample.image.shape[:2], sample.mask, classes):
        raise ValueError(f"{name or sample.name}: {wrong}")
    return sample


def fault(size: tuple[int, ...], mask: np.ndarray, classes: int) -> str | None:
    """What is wrong with a mask (H, W) of an image of a size, height and width, or None."""
    (height, width), (rows, columns) = size, mask.shape
    if (height, width) != (rows, columns):
        return f"the image is {width}×{height}, its mask {columns}×{rows}"
    if wrong := [own for own in shown_ids(mask) if own >= classes]:
        return f"ids {wrong} (the classes are 0 to {classes - 1}; {IGNORE_ID} is ignored)"
    return None


def shown_ids(mask: np.ndarray) -> tuple[int, ...]:
    """The class ids in a mask (H, W), in order.

    >>> shown_ids(np.array([[7, 0, 255], [7, 2, 0]], np.uint8))
    (0, 2, 7)
    """
    return tuple(np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:IGNORE_ID]).tolist())


def matching_masks(
    images: list[Path], mask_folder: Path, home: Home, suffix: str = ".png"
) -> tuple[FilePair, ...]:
    """Pairs each image with the mask of the same stem; reading a pair tells which are missing."""
    by_stem: dict[str, Path] = {}
    for image in images:
        if (other := by_stem.setdefault(image.stem, image)) != image:
            raise ValueError(f"{other} and {image.name} would share one mask: rename one of them")
    return tuple(
        FilePair(home.path(image), home.path(mask_folder / f"{image.stem}{suffix}")) for image in images
    )


def image_files(folder: Path) -> list[Path]:
    """The pictures of a folder, by name."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"The folder {folder} holds no picture ({', '.join(IMAGE_SUFFIXES)}).")
    return files
