"""YOLO as Ultralytics reads it: a text file of boxes or of polygons for each picture, and `data.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from dataset_builder.export.encoding import picture_suffix
from dataset_builder.export.files import common_name, existing, file_content, own_name
from dataset_builder.export.objects import objects_of
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from dataset_builder.export.polygons import outline
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.instances import Instances
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.pictures import opened_file, upright_size
from diffusers_attnmask.ground.yaml_files import read_yaml
from train_segmenter.data.base import image_files
from train_segmenter.data.coco_file import region
from train_segmenter.data.home import Home
from train_segmenter.data.names import fitting, names_by_id, read_lines

CONFIG = "data.yaml"
SPLITS = ("train", "val", "test")
DIGITS = 6  # of a coordinate: a hundredth of a pixel in the largest picture
BOX = 4  # numbers in a line that is a box and no polygon


class YoloWriter:
    """`images/SPLIT` and `labels/SPLIT`: a line for each object, its class from 0 without the background."""

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        self.pairs = pairs
        self.names = [name for name in pairs.class_names if name != BACKGROUND]

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        place = f"{own_name(split)}/{pair.name}"
        lines = self.lines(objects_of(pair, self.pairs.class_names))
        return WrittenPair(
            {
                f"images/{place}{picture_suffix(pair.image, pair.name)}": pair.image,
                f"labels/{place}.txt": "".join(f"{line}\n" for line in lines).encode(),
            }
        )

    def lines(self, objects: Instances) -> list[str]:
        """The outline of every object, x and y in turn as parts of width and height."""
        height, width = objects.ids.shape
        return [
            self.line(own.name, np.array(outline(objects.ids == own.id)) / (width, height)) for own in objects
        ]

    def line(self, name: str, numbers: np.ndarray) -> str:
        return " ".join([str(self.names.index(name)), *(f"{own:.{DIGITS}f}" for own in numbers.ravel())])

    def finish(self, folder: Path, entries: Entries) -> Path:
        splits = {own_name(split): f"images/{own_name(split)}" for split in self.pairs.splits}
        content = {"path": ".", **splits, "names": dict(enumerate(self.names))}
        write_text(folder / CONFIG, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        return folder


class YoloBoxWriter(YoloWriter):
    """The same with boxes: the middle, width and height as parts of the picture's."""

    def lines(self, objects: Instances) -> list[str]:
        height, width = objects.ids.shape
        return [
            self.line(own.name, np.array([x + w / 2, y + h / 2, w, h]) / (width, height, width, height))
            for own in objects
            for x, y, w, h in [own.box]
        ]


def read_yolo(root: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """Pictures with polygons; small objects lie over large ones. Boxes alone make no masks."""
    home = Home(root, outside)
    found = existing({name: (root / "images" / name).is_dir() for name in SPLITS}, split, str(root))
    names = (BACKGROUND, *class_names(home.file(CONFIG)))
    splits = {common_name(name): polygon_pairs(home, name, len(names)) for name in found}
    return PairSet(names, splits, tells_objects=True)


def class_names(file: Path) -> tuple[str, ...]:
    """The names of a `data.yaml`: a list, or a mapping from their ids."""
    names = read_yaml(file, "a YOLO dataset").get("names")
    if isinstance(names, dict):
        return names_by_id(names, str(file))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{file} should name its classes, as `names: [cat, dog]`, not {names!r}")
    return fitting(tuple(names), str(file))


def polygon_pairs(home: Home, split: str, classes: int) -> Pairs:
    files = [home.path(file) for file in image_files(home.file(f"images/{split}"))]

    def read(number: int) -> NamedPair:
        picture = files[number]
        labels = home.file(f"labels/{split}/{picture.stem}.txt")
        width, height = upright_size(opened_file(picture))
        mask, objects = drawn(labels, height, width, classes)
        return NamedPair(picture.stem, file_content(picture), mask, str(picture), objects)

    return Pairs([file.stem for file in files], read)


def drawn(file: Path, height: int, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The mask uint8 and the objects' numbers uint16 (H, W) of a file; without one nothing is shown."""
    mask, objects = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint16)
    lines = enumerate(read_lines(file) if file.is_file() else (), start=1)
    shown = [
        polygon(line, f"{file}: line {number}", height, width, classes) for number, line in lines if line
    ]
    for number, (class_id, pixels) in enumerate(sorted(shown, key=lambda own: -own[1].sum()), start=1):
        mask[pixels], objects[pixels] = class_id, number
    return mask, objects


def polygon(line: str, where: str, height: int, width: int, classes: int) -> tuple[int, np.ndarray]:
    """The class by its id in the mask, and the pixels bool (H, W), of an object."""
    try:
        own, *numbers = line.split()
        points = np.array(numbers, float)
        class_id = int(own) + 1
    except ValueError:
        raise ValueError(f"{where} is no class id and coordinates: {line[:60]!r}") from None
    if not 1 <= class_id < classes:
        raise ValueError(f"{where}: the class {own} is none of 0 to {classes - 2}")
    if len(points) == BOX:
        raise ValueError(f"{where} is a box, of which no mask can be made: give outlines (yolo-seg)")
    if len(points) % 2 or not np.isfinite(points).all() or not ((points >= 0) & (points <= 1)).all():
        raise ValueError(f"{where}: coordinates are pairs of x and y from 0 to 1")
    scaled = (points.reshape(-1, 2) * (width, height)).ravel().tolist()
    return class_id, region([scaled], height, width, where)
