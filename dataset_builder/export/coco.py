"""COCO: panoptic pictures and instances as run lengths, each with its JSON.

Without objects in the data, a connected region of a class counts as an instance. Background and 255 are told
apart by a category for the background in the panoptic pictures, where 255 is void; instances know neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from dataset_builder.export.encoding import picture_suffix
from dataset_builder.export.files import common_name, existing, file_content, own_name
from dataset_builder.export.json_lists import write_json_lists
from dataset_builder.export.objects import objects_of
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from dataset_builder.export.writer import Entries, WrittenPair
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from diffusers_attnmask.ground.instances import Instances, box_of
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.pictures import encoded, read_image
from train_segmenter.data.coco import drawn_instances, image_folder
from train_segmenter.data.coco_file import (
    CocoFile,
    CocoImage,
    Id,
    check_category,
    entries,
    read_coco_file,
    value_of,
)
from train_segmenter.data.home import Home
from train_segmenter.data.tables import coco_categories, coco_names, thing_names

SPLITS = ("train", "val", "test", "train2017", "val2017")
BACKGROUND_CATEGORY = 183  # "other" in COCO's stuff annotations


class CocoWriter:
    """`images/SPLIT`, and for each split `instances_*.json`, `panoptic_*.json` and their pictures."""

    def __init__(self, pairs: PairSet, palette: Sequence[Colour]) -> None:
        self.pairs, self.palette = pairs, palette
        self.ids = category_ids(pairs.class_names)

    def pair(self, split: str, number: int, pair: NamedPair) -> WrittenPair:
        """Its entry: how lists call the image, its segments, and those of them that are instances."""
        split, number = own_name(split), number + 1
        file, picture = f"{pair.name}{picture_suffix(pair.image, pair.name)}", f"{pair.name}.png"
        height, width = pair.mask.shape
        objects = objects_of(pair, self.pairs.class_names)
        segments, infos = panoptic_segments(pair.mask, objects, self.ids)
        things = [info for info in infos if info["category_id"] != self.ids.get(BACKGROUND)]
        entry = {
            "image": {"id": number, "file_name": file, "height": height, "width": width},
            "panoptic": {"image_id": number, "file_name": picture, "segments_info": infos},
            "instances": [instance(segments, info, number) for info in things],
        }
        files = {
            f"images/{split}/{file}": pair.image,
            f"annotations/panoptic_{split}/{picture}": encoded(as_colours(segments)),
        }
        return WrittenPair(files, entry)

    def finish(self, folder: Path, entries: Entries) -> Path:
        counted = thing_names(self.pairs.class_names)
        categories = [
            {"id": self.ids[name], "name": name, "supercategory": "", "isthing": int(name in counted)}
            | {"color": list(self.palette[index])}
            for index, name in enumerate(self.pairs.class_names)
        ]
        things = [category for category in categories if category["isthing"]]
        head = {"info": {"description": "made by attnmask export"}, "licenses": []}
        for split, of_pairs in entries.items():
            for kind, marked, known in (
                ("panoptic", panoptic_annotations, categories),
                ("instances", instance_annotations, things),
            ):
                lists = {
                    **head,
                    "images": (own["image"] for own in of_pairs()),
                    "annotations": marked(of_pairs()),
                    "categories": known,
                }
                write_json_lists(folder / "annotations" / f"{kind}_{own_name(split)}.json", lists)
        return folder


def panoptic_annotations(entries: Iterable[Any]) -> Iterator[dict[str, Any]]:
    return (own["panoptic"] for own in entries)


def instance_annotations(entries: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Numbered through the whole split."""
    found = chain.from_iterable(own["instances"] for own in entries)
    return ({**own, "id": number} for number, own in enumerate(found, start=1))


def category_ids(class_names: Sequence[str]) -> dict[str, int]:
    """Category ids by name: COCO's own for its 80 classes, else the mask ids (from 1)."""
    if tuple(class_names) == coco_names():
        ids = {name: category for category, name in coco_categories().items()}
    else:
        first = int(class_names[0] != BACKGROUND)  # 0 is void
        ids = {name: number + first for number, name in enumerate(class_names) if name != BACKGROUND}
    if class_names[0] == BACKGROUND:
        ids[BACKGROUND] = max(BACKGROUND_CATEGORY, max(ids.values(), default=0) + 1)
    return ids


def panoptic_segments(
    mask: np.ndarray, objects: Instances, ids: Mapping[str, int]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Segment ids int32 (H, W), 0 void, and what is known of each segment. `ids`: see `category_ids`."""
    shown = [(own.name, own.area, own.box) for own in objects]
    segments = objects.ids.astype(np.int32)
    region = mask == BACKGROUND_ID
    if BACKGROUND in ids and region.any():  # the first one
        shown.insert(0, (BACKGROUND, int(region.sum()), box_of(find_objects(region.astype(np.uint8))[0])))
        segments = np.where(segments > 0, segments + 1, region)
    infos = [
        {"id": number, "category_id": ids[name], "area": area, "bbox": list(box), "iscrowd": 0}
        for number, (name, area, box) in enumerate(shown, start=1)
    ]
    return segments, infos


def instance(segments: np.ndarray, info: Mapping[str, Any], image: int) -> dict[str, Any]:
    """An annotation with the segment as compressed run lengths, whose id is still that of the segment."""
    from pycocotools import mask as official

    runs = official.encode(np.asfortranarray(segments == info["id"], np.uint8))
    segmentation = {"size": runs["size"], "counts": runs["counts"].decode()}
    return {**info, "image_id": image, "segmentation": segmentation}


def as_colours(segments: np.ndarray) -> np.ndarray:
    """Segment ids as COCO colours them: id = R + 256 G + 65536 B."""
    return np.stack([segments % 256, segments // 256 % 256, segments // 65536], -1).astype(np.uint8)


def read_coco(root: Path, split: str | None = None, *, outside: bool = False) -> PairSet:
    """Panoptic pictures where there are any, else instances."""
    annotations, home = root / "annotations", Home(root, outside)
    kinds = {
        name: next(
            (k for k in ("panoptic", "instances") if (annotations / f"{k}_{name}.json").is_file()), None
        )
        for name in ((split,) if split else SPLITS)
    }
    found = existing({name: bool(kind) for name, kind in kinds.items()}, None, str(annotations))
    sets = [
        panoptic_pairs(home, name) if kinds[name] == "panoptic" else instance_pairs(home, name)
        for name in found
    ]
    if len({names for names, _ in sets}) > 1:
        raise ValueError(
            f"the splits {', '.join(found)} of {root} differ in their categories: import one each"
        )
    splits = {common_name(name): own for name, (_, own) in zip(found, sets, strict=True)}
    return PairSet(sets[0][0], splits, tells_objects=True)


def panoptic_pairs(home: Home, split: str) -> tuple[tuple[str, ...], Pairs]:
    file = home.file(f"annotations/panoptic_{split}.json")
    content = read_coco_file(file, needs=("file_name", "segments_info"))
    names = content.categories
    order = sorted(names, key=lambda category: names[category] != BACKGROUND)  # stable
    mask_id = {category: number for number, category in enumerate(order)}
    counted = np.array([name != BACKGROUND for name in map(names.get, order)] + [False] * (256 - len(order)))
    folder, pictures = image_folder(home, split), home.folder / "annotations" / f"panoptic_{split}"
    images = [image for image in content.images if image.annotations]
    files = [(home.file(own.file_name, folder), _segments_file(home, own, pictures)) for own in images]

    def read(number: int) -> NamedPair:
        image, (picture, segments) = images[number], files[number]
        mask_ids = _segment_ids(image, content, mask_id)
        colours = read_image(segments).astype(np.int64)
        found, places = np.unique(colours @ (1, 256, 65536), return_inverse=True)
        ids = np.array([mask_ids.get(int(own), IGNORE_ID) for own in found], np.uint8)
        places = places.reshape(colours.shape[:2])
        mask = ids[places]
        objects = np.where(counted[mask], places + 1, 0).astype(np.uint16)
        return NamedPair(picture.stem, file_content(picture), mask, str(picture), objects)

    stems = [picture.stem for picture, _ in files]
    return tuple(names[category] for category in order), Pairs(stems, read)


def _segments_file(home: Home, image: CocoImage, folder: Path) -> Path:
    if len(image.annotations) > 1:
        raise ValueError(f"{image.file_name} has {len(image.annotations)} panoptic pictures")
    (annotation,) = image.annotations
    return home.file(str(annotation.content["file_name"]), folder)


def _segment_ids(image: CocoImage, content: CocoFile, mask_id: Mapping[Id, int]) -> dict[int, int]:
    """The mask ids of a picture's segments."""
    (annotation,) = image.annotations
    ids: dict[int, int] = {}
    for place, segment in entries(annotation.content, "segments_info", content.where(annotation)):
        check_category(segment, content.categories, place)
        ids[int(value_of(segment, "id", int, place))] = mask_id[segment["category_id"]]
    return ids


def instance_pairs(home: Home, split: str) -> tuple[tuple[str, ...], Pairs]:
    """By the reader of `train_segmenter`, which draws small instances over large ones."""
    file = home.file(f"annotations/instances_{split}.json")
    source = drawn_instances(image_folder(home, split), file, home)

    def read(number: int) -> NamedPair:
        picture = source.files[number]
        mask, objects = source.drawn(source.content.images[number])
        return NamedPair(picture.stem, file_content(picture), mask, str(picture), objects)

    return source.class_names, Pairs([picture.stem for picture in source.files], read)
