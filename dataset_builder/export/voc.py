"""PASCAL VOC: JPEG images, palette masks of classes and of objects, boxes, and a list for each split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset_builder.dataset_folder import write_labels
from dataset_builder.export.encoding import SUFFIXES, as_kind, mask_file
from dataset_builder.export.files import existing, file_pair_set, own_name
from dataset_builder.export.objects import objects_of
from dataset_builder.export.pair_set import NamedPair, PairSet
from dataset_builder.export.safety import safe_names
from dataset_builder.export.voc_boxes import annotation
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.palette import VOC_PALETTE, Colour
from train_segmenter.data.voc import DEVKIT, voc, voc_home

SPLITS = ("train", "val", "test")
MOST_OBJECTS = 254  # that a palette picture tells apart beside 0 and 255


class VocWriter:
    """`VOCdevkit/VOC2012`; images that are no JPEG yet are encoded at quality 95, all as PNG where asked."""

    kind = "JPEG"

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        safe_names([name for own in pairs.splits.values() for name in own.names])  # which share a folder
        self.pairs, self.palette = pairs, palette

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        objects = objects_of(pair, self.pairs.class_names)
        if len(objects) > MOST_OBJECTS:
            raise ValueError(
                f"{pair.name} has {len(objects)} objects, and VOC's pictures tell {MOST_OBJECTS} apart: "
                "export as coco, which holds any number"
            )
        image, numbers = f"{pair.name}{SUFFIXES[self.kind]}", objects.ids.astype(np.uint8)
        numbers[pair.mask == IGNORE_ID] = IGNORE_ID
        files = {
            f"JPEGImages/{image}": as_kind(pair.image, self.kind, pair.name),
            f"SegmentationClass/{pair.name}.png": mask_file(pair.mask, self.palette),
            f"SegmentationObject/{pair.name}.png": mask_file(numbers, VOC_PALETTE),
            f"Annotations/{pair.name}.xml": annotation(image, pair.mask.shape, objects),
        }
        return WrittenPair({f"{DEVKIT}/{name}": content for name, content in files.items()})

    def finish(self, folder: Path, entries: Entries) -> Path:
        root = folder / DEVKIT
        lists = {own_name(split): own.names for split, own in self.pairs.splits.items() if len(own)}
        lists["trainval"] = [*lists.get("train", []), *lists.get("val", [])]
        for split, names in lists.items():
            text = "".join(f"{name}\n" for name in names)
            for use in ("Segmentation", "Main"):  # masks, boxes
                write_text(root / "ImageSets" / use / f"{split}.txt", text)
        write_labels(self.pairs.class_names, root)
        return root


class VocPngWriter(VocWriter):
    """The same with pictures that lose nothing."""

    kind = "PNG"


def read_voc(path: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """A folder with `JPEGImages`, or the one that holds `VOCdevkit/VOC2012`."""
    root = voc_home(path)
    lists = root / "ImageSets" / "Segmentation"
    found = existing({name: (lists / f"{name}.txt").is_file() for name in SPLITS}, split, str(root))
    sources = {name: voc(path, name, outside=outside) for name in found}
    return file_pair_set(sources)
