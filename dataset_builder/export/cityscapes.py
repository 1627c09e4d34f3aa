"""Cityscapes: PNG images by city, with label, train and instance ids and colours as masks, and polygons."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset_builder.export.encoding import as_kind, mask_file
from dataset_builder.export.files import existing, file_pair_set, own_name
from dataset_builder.export.objects import objects_of
from dataset_builder.export.pair_set import NamedPair, PairSet
from dataset_builder.export.polygons import outline
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.class_tables import class_table
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.instances import Instances
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.pictures import encoded
from train_segmenter.data.cityscapes import cityscapes
from train_segmenter.data.tables import cityscapes_labels, cityscapes_names, lookup

CITY = "synthetic"
PER_CLASS = 1000  # instance ids of a class
FRAME = 19  # the annotated frame of each sequence of 30
UNLABELED = 0
OFFICIAL = re.compile(r"([A-Za-z][A-Za-z-]*)_\d{6}_\d{6}(?=(_leftImg8bit)?$)")  # a pair's name, and its city
SPLITS = ("train", "val", "test")


class CityscapesWriter:
    """`leftImg8bit` and `gtFine`; the classes must be among the 19 of the benchmark.

    Pixels of the background, which Cityscapes does not have, become unlabelled like those of 255. Pairs
    that have the official form of names keep them, with their cities; else all are numbered. An instance id
    is the label id times a thousand and the object's number among its class, or the label id alone where
    the benchmark counts no objects.
    """

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        self.labels, self.trains = tables(pairs.class_names)
        self.colours = np.array(palette, np.uint8)
        self.pairs = pairs
        names = {split: [OFFICIAL.match(name) for name in own.names] for split, own in pairs.splits.items()}
        self.official = all(all(own) for own in names.values())

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        place = f"{own_name(split)}/{self.place(number, pair.name)}"
        objects = objects_of(pair, self.pairs.class_names)
        labels = self.labels[pair.mask]
        colours = np.where((labels != UNLABELED)[..., None], self.colours[pair.mask], 0).astype(np.uint8)
        return WrittenPair(
            {
                f"leftImg8bit/{place}_leftImg8bit.png": as_kind(pair.image, "PNG", pair.name),
                f"gtFine/{place}_gtFine_labelIds.png": mask_file(labels),
                f"gtFine/{place}_gtFine_labelTrainIds.png": mask_file(self.trains[pair.mask]),
                f"gtFine/{place}_gtFine_color.png": encoded(colours),
                f"gtFine/{place}_gtFine_instanceIds.png": encoded(instance_ids(labels, objects)),
                f"gtFine/{place}_gtFine_polygons.json": polygons(objects),
            }
        )

    def place(self, number: int, name: str) -> str:
        """A pair's city and stem."""
        found = OFFICIAL.match(name) if self.official else None
        return f"{found[1]}/{found[0]}" if found else f"{CITY}/{CITY}_{number:06d}_{FRAME:06d}"

    def finish(self, folder: Path, entries: Entries) -> Path:
        return folder


def instance_ids(labels: np.ndarray, objects: Instances) -> np.ndarray:
    """uint16 (H, W) of label ids uint8 (H, W)."""
    counted = {own.official_id: 0 for own in class_table("cityscapes").classes if own.counted}
    ids = labels.astype(np.uint16)
    of_object = labels_of(labels, objects)
    offsets = np.zeros(len(objects) + 1, np.uint16)
    for number, label in enumerate(of_object, start=1):
        if label in counted:
            if counted[label] >= PER_CLASS:
                raise ValueError(f"Cityscapes tells {PER_CLASS} objects of a class apart: export as coco")
            offsets[number] = label * PER_CLASS + counted[label] - label
            counted[label] += 1
    return ids + offsets[objects.ids]


def labels_of(labels: np.ndarray, objects: Instances) -> list[int]:
    """The label id of each object."""
    found = np.zeros(len(objects) + 1, np.uint8)
    found[objects.ids] = labels
    return found[1:].tolist()


def polygons(objects: Instances) -> bytes:
    """The outline of every object with the name of its class, as JSON."""
    height, width = objects.ids.shape
    shown = [
        {"label": own.name, "polygon": [list(point) for point in outline(objects.ids == own.id)]}
        for own in objects
    ]
    return json.dumps({"imgHeight": height, "imgWidth": width, "objects": shown}).encode()


def tables(class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Lookups uint8 (256,) from mask ids to label ids and to train ids."""
    official = {name: (label, train) for label, (name, train) in cityscapes_labels().items()}
    known = {name: official[name] for name in cityscapes_names()}
    if foreign := [name for name in class_names if name not in known and name != BACKGROUND]:
        raise ValueError(
            f"Cityscapes has no class {', '.join(foreign)}; it has {', '.join(known)}. Export as "
            "voc, coco or folder, which hold any classes"
        )
    own = {number: known.get(name, (UNLABELED, IGNORE_ID)) for number, name in enumerate(class_names)}
    labels = lookup({number: label for number, (label, _) in own.items()} | {IGNORE_ID: UNLABELED}, UNLABELED)
    return labels, lookup({number: train for number, (_, train) in own.items()})


def read_cityscapes(root: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """`leftImg8bit` and `gtFine` with label ids; masks get the benchmark's train ids."""
    found = existing({name: (root / "leftImg8bit" / name).is_dir() for name in SPLITS}, split, str(root))
    return file_pair_set({name: cityscapes(root, name, outside=outside) for name in found})
