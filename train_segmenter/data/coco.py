"""COCO: the 80 instance classes, from the stuff-things pictures or rasterised from the instances' JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffusers_attnmask.ground.pictures import read_image
from train_segmenter.data.base import FilePairs, Sample, Source, image_files, matching_masks
from train_segmenter.data.tables import coco_categories, coco_names, lookup

STUFF_THINGS = range(182)  # ids in the stuff-things pictures: category id - 1; 255 is unlabelled


def coco(root: Path, split: str = "train2017") -> Source:
    """`root` holds the pictures in `SPLIT` or `images/SPLIT`, and `stuffthingmaps/SPLIT` or `annotations`."""
    images = next((f for f in (root / "images" / split, root / split) if f.is_dir()), root / "images" / split)
    masks = root / "stuffthingmaps" / split
    instances = root / "annotations" / f"instances_{split}.json"
    if masks.is_dir():
        return FilePairs(coco_names(), matching_masks(image_files(images), masks), _thing_table())
    if instances.is_file():
        return drawn_instances(images, instances)
    raise FileNotFoundError(f"COCO has neither {masks} nor {instances}.")


def _thing_table() -> np.ndarray:
    ids = dict.fromkeys(STUFF_THINGS, 0)  # stuff is background
    ids.update({category - 1: new for new, category in enumerate(coco_categories(), start=1)})
    return lookup(ids)


@dataclass(frozen=True)
class Instances:
    """Pictures whose masks are drawn from instance annotations, the smaller instance over the larger."""

    class_names: tuple[str, ...]
    images: tuple[tuple[Path, int, int], ...]  # file, height, width
    annotations: tuple[tuple[dict, ...], ...]  # of each picture, from large to small

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        return self.images[index][0].name

    def __getitem__(self, index: int) -> Sample:
        path, height, width = self.images[index]
        mask = np.zeros((height, width), dtype=np.uint8)
        for annotation in self.annotations[index]:
            mask[_region(annotation["segmentation"], height, width)] = _CLASS_OF[annotation["category_id"]]
        return Sample(read_image(path), mask, path.name)


_CLASS_OF = {category: new for new, category in enumerate(coco_categories(), start=1)}


def _region(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Bool (height, width) of polygons or of run lengths, by COCO's own rules."""
    from pycocotools import mask as official

    if isinstance(segmentation, list):
        runs = official.merge(official.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        runs = official.frPyObjects(segmentation, height, width)
    else:
        runs = segmentation
    return official.decode(runs).astype(bool)


def drawn_instances(folder: Path, annotation_file: Path) -> Instances:
    """The pictures of a folder that an annotation file lists, by the file's name."""
    content = json.loads(annotation_file.read_text(encoding="utf-8"))
    of_image = defaultdict(list)
    for annotation in content["annotations"]:
        of_image[annotation["image_id"]].append(annotation)
    images = sorted(content["images"], key=lambda image: image["file_name"])
    return Instances(
        coco_names(),
        tuple((folder / image["file_name"], image["height"], image["width"]) for image in images),
        tuple(tuple(sorted(of_image[image["id"]], key=lambda a: -a["area"])) for image in images),
    )
