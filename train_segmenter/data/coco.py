"""COCO: an annotation file's own categories, or the 80 instance classes of the stuff-things pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID
from diffusers_attnmask.ground.instances import check_count
from diffusers_attnmask.ground.pictures import read_image
from train_segmenter.data.base import FilePairs, Sample, Source, checked, image_files, matching_masks
from train_segmenter.data.coco_file import CocoFile, CocoImage, Id, read_coco_file, region, stacked
from train_segmenter.data.home import Home
from train_segmenter.data.split_parts import no_split
from train_segmenter.data.tables import coco_categories, coco_names, lookup

INSTANCES = "instances_"  # what annotation files of instances begin with
STUFF_THINGS = range(182)  # ids in the stuff-things pictures: category id - 1; 255 is unlabelled


def coco(root: Path, split: str = "train2017", *, outside: bool = False) -> Source:
    """`root` holds the pictures in `SPLIT` or `images/SPLIT`, and `stuffthingmaps/SPLIT` or `annotations`."""
    home = Home(root, outside)
    images = image_folder(home, split)
    masks = home.file(f"stuffthingmaps/{split}")
    instances = home.file(f"annotations/{INSTANCES}{split}.json")
    if masks.is_dir():
        return FilePairs(coco_names(), matching_masks(image_files(images), masks, home), _thing_table())
    if instances.is_file():
        return drawn_instances(images, instances, home)
    if known := {own.stem.removeprefix(INSTANCES) for own in root.glob(f"annotations/{INSTANCES}*.json")}:
        raise no_split(root, split, sorted(known))
    raise FileNotFoundError(f"COCO has neither {masks} nor {instances}.")


def image_folder(home: Home, split: str) -> Path:
    """Where the pictures of a split lie."""
    nested = home.file(f"images/{split}")
    return nested if nested.is_dir() else home.file(split)


def _thing_table() -> np.ndarray:
    ids = dict.fromkeys(STUFF_THINGS, 0)  # stuff is background
    ids.update({category - 1: new for new, category in enumerate(coco_categories(), start=1)})
    return lookup(ids)


@dataclass(frozen=True)
class Instances:
    """Pictures whose masks are drawn from instance annotations, the smaller instance over the larger."""

    content: CocoFile
    files: tuple[Path, ...]
    ids: Mapping[Id, int]  # of masks, by category
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        return self.files[index].name

    def __getitem__(self, index: int) -> Sample:
        file = self.files[index]
        mask, objects = self.drawn(self.content.images[index])
        sample = Sample(read_image(file), mask, file.name, objects)
        return checked(sample, len(self.class_names), str(file))

    def mask(self, image: CocoImage) -> np.ndarray:
        """Class ids uint8 (height, width) of what is annotated in a picture."""
        return self.drawn(image)[0]

    def drawn(self, image: CocoImage) -> tuple[np.ndarray, np.ndarray]:
        """Class ids uint8 and numbers of objects uint16 (height, width) of what is annotated in a picture."""
        mask = np.zeros((image.height, image.width), np.uint8)
        objects = np.zeros(mask.shape, np.uint16)
        check_count(len(image.annotations))
        regions = [
            region(own.content["segmentation"], image.height, image.width, self.content.where(own))
            for own in image.annotations
        ]
        for place in stacked(image.annotations, regions):
            class_id = self.ids[image.annotations[place].content["category_id"]]
            mask[regions[place]] = class_id
            objects[regions[place]] = 0 if class_id == BACKGROUND_ID else place + 1
        return mask, objects


def drawn_instances(folder: Path, annotation_file: Path, home: Home) -> Instances:
    """The pictures of a folder that an annotation file lists, by name; the classes are its categories.

    They follow each other by their ids, after the background: so the ids of COCO's own files are those of
    its class table.
    """
    content = read_coco_file(annotation_file, needs=("category_id", "segmentation"))
    things = [own for own, name in content.categories.items() if name != BACKGROUND]
    ids: dict[Id, int] = dict.fromkeys(content.categories, BACKGROUND_ID)
    ids.update({own: number for number, own in enumerate(things, start=1)})
    return Instances(
        content,
        tuple(home.file(image.file_name, folder) for image in content.images),
        ids,
        (BACKGROUND, *(content.categories[own] for own in things)),
    )
