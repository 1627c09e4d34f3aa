"""Cityscapes: PNG images by city, with label ids, train ids and colours as masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset_builder.export.encoding import as_kind, mask_file
from dataset_builder.export.files import existing, file_pair_set, own_name
from dataset_builder.export.pair_set import NamedPair, PairSet
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.pictures import encoded
from train_segmenter.data.cityscapes import cityscapes
from train_segmenter.data.tables import cityscapes_labels, cityscapes_names, lookup

CITY = "synthetic"
FRAME = 19  # the annotated frame of each sequence of 30
UNLABELED = 0
SPLITS = ("train", "val", "test")


class CityscapesWriter:
    """`leftImg8bit` and `gtFine`; the classes must be among the 19 of the benchmark.

    Pixels of the background, which Cityscapes does not have, become unlabelled like those of 255. Pairs are
    numbered, as the naming asks for.
    """

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        self.labels, self.trains = tables(pairs.class_names)
        self.colours = np.array(palette, np.uint8)

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        place = f"{own_name(split)}/{CITY}/{CITY}_{number:06d}_{FRAME:06d}"
        labels = self.labels[pair.mask]
        colours = np.where((labels != UNLABELED)[..., None], self.colours[pair.mask], 0).astype(np.uint8)
        return WrittenPair(
            {
                f"leftImg8bit/{place}_leftImg8bit.png": as_kind(pair.image, "PNG", pair.name),
                f"gtFine/{place}_gtFine_labelIds.png": mask_file(labels),
                f"gtFine/{place}_gtFine_labelTrainIds.png": mask_file(self.trains[pair.mask]),
                f"gtFine/{place}_gtFine_color.png": encoded(colours),
            }
        )

    def finish(self, folder: Path, entries: Entries) -> Path:
        return folder


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
