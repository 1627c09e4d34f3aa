"""COCO: panoptic pictures and instances as run lengths, each with its JSON.

A connected region of a class counts as an instance. Background and 255 are told apart by a category for the
background in the panoptic pictures, where 255 is void; the instances know neither.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from dataset_builder.export.encoding import picture_suffix, write_bytes
from dataset_builder.export.files import common_name, existing, own_name
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from dataset_builder.export.safety import check_sizes, inside, opened
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.palette import Colour
from diffusers_attnmask.ground.pictures import encoded
from train_segmenter.data.tables import coco_categories, coco_names

SPLITS = ("train", "val", "test", "train2017", "val2017")
BACKGROUND_CATEGORY = 183  # "other" in COCO's stuff annotations
TOUCHING = np.ones((3, 3), bool)  # regions also hang together over corners


def write_coco(pairs: PairSet, out: Path, palette: Sequence[Colour]) -> Path:
    """Write `images/SPLIT`, and for each split `instances_*.json`, `panoptic_*.json` and their pictures."""
    ids = category_ids(pairs.class_names)
    for split, own in pairs.splits.items():
        split = own_name(split)
        head = {"info": {"description": "made by attnmask export"}, "licenses": []}
        images: list[dict[str, Any]] = []
        panoptic: list[dict[str, Any]] = []
        instances: list[dict[str, Any]] = []
        for number, pair in enumerate(own, start=1):
            file = f"{pair.name}{picture_suffix(pair.image, pair.name)}"
            write_bytes(pair.image, out / "images" / split / file)
            height, width = pair.mask.shape
            images.append({"id": number, "file_name": file, "height": height, "width": width})
            segments, infos = panoptic_segments(pair.mask, ids)
            picture = out / "annotations" / f"panoptic_{split}" / f"{pair.name}.png"
            write_bytes(encoded(as_colours(segments)), picture)
            panoptic.append({"image_id": number, "file_name": picture.name, "segments_info": infos})
            things = [info for info in infos if info["category_id"] != ids.get(BACKGROUND)]
            first = len(instances) + 1
            instances += [instance(segments, info, number, first + i) for i, info in enumerate(things)]
        categories = [
            {"id": ids[name], "name": name, "supercategory": "", "isthing": int(name != BACKGROUND)}
            | {"color": list(palette[index])}
            for index, name in enumerate(pairs.class_names)
        ]
        things = [category for category in categories if category["isthing"]]
        for kind, marked, known in (
            ("panoptic", panoptic, categories),
            ("instances", instances, things),
        ):
            content = {**head, "images": images, "annotations": marked, "categories": known}
            write_text(out / "annotations" / f"{kind}_{split}.json", json.dumps(content))
    return out


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


def panoptic_segments(mask: np.ndarray, ids: Mapping[str, int]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Segment ids int32 (H, W), 0 void, and what is known of each segment. `ids`: see `category_ids`."""
    by_mask = mask_categories(ids)
    segments = np.zeros(mask.shape, np.int32)
    infos: list[dict[str, Any]] = []
    for value in np.unique(mask):
        if int(value) not in by_mask:
            if value != IGNORE_ID:
                raise ValueError(f"the mask holds id {value}; the classes are 0 to {len(by_mask) - 1}")
            continue
        category = by_mask[int(value)]
        region = mask == value
        background = category == ids.get(BACKGROUND)
        parts, count = (region.astype(np.int32), 1) if background else ndimage.label(region, TOUCHING)
        segments[region] = parts[region] + len(infos)
        for (rows, columns), own in zip(ndimage.find_objects(parts), range(1, count + 1), strict=True):
            box = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
            area = int((parts[rows, columns] == own).sum())
            infos.append(
                {"id": len(infos) + 1, "category_id": category, "area": area, "bbox": box, "iscrowd": 0}
            )
    return segments, infos


def mask_categories(ids: Mapping[str, int]) -> dict[int, int]:
    """Category ids by mask id: the background first, then the others in their order."""
    names = sorted(ids, key=lambda name: name != BACKGROUND)  # stable
    return {number: ids[name] for number, name in enumerate(names)}


def instance(segments: np.ndarray, info: Mapping[str, Any], image: int, number: int) -> dict[str, Any]:
    """An annotation with the segment as compressed run lengths."""
    from pycocotools import mask as official

    runs = official.encode(np.asfortranarray(segments == info["id"], np.uint8))
    segmentation = {"size": runs["size"], "counts": runs["counts"].decode()}
    return {**info, "id": number, "image_id": image, "segmentation": segmentation}


def as_colours(segments: np.ndarray) -> np.ndarray:
    """Segment ids as COCO colours them: id = R + 256 G + 65536 B."""
    return np.stack([segments % 256, segments // 256 % 256, segments // 65536], -1).astype(np.uint8)


def read_coco(root: Path, split: str | None = None) -> PairSet:
    """Panoptic pictures where there are any, else instances of the 80 official categories."""
    annotations = root / "annotations"
    kinds = {
        name: next(
            (k for k in ("panoptic", "instances") if (annotations / f"{k}_{name}.json").is_file()), None
        )
        for name in ((split,) if split else SPLITS)
    }
    found = existing({name: bool(kind) for name, kind in kinds.items()}, None, str(annotations))
    sets = [
        panoptic_pairs(root, name) if kinds[name] == "panoptic" else instance_pairs(root, name)
        for name in found
    ]
    if len({names for names, _ in sets}) > 1:
        raise ValueError(
            f"the splits {', '.join(found)} of {root} differ in their categories: import one each"
        )
    return PairSet(sets[0][0], {common_name(name): own for name, (_, own) in zip(found, sets, strict=True)})


def panoptic_pairs(root: Path, split: str) -> tuple[tuple[str, ...], Pairs]:
    content = json.loads((root / "annotations" / f"panoptic_{split}.json").read_text(encoding="utf-8"))
    names = {own["id"]: str(own["name"]) for own in content["categories"]}
    order = sorted(names, key=lambda category: (names[category] != BACKGROUND, category))
    mask_id = {category: number for number, category in enumerate(order)}
    if len(order) > IGNORE_ID:
        raise ValueError(f"{len(order)} categories do not fit a uint8 mask")
    images = {own["id"]: own["file_name"] for own in content["images"]}
    annotations = content["annotations"]
    base = image_folder(root, split)

    def read(number: int) -> NamedPair:
        annotation = annotations[number]
        name = images[annotation["image_id"]]
        image = inside(base, name).read_bytes()
        file = inside(root / "annotations" / f"panoptic_{split}", annotation["file_name"])
        colours = np.asarray(opened(file.read_bytes(), str(file)).convert("RGB")).astype(np.int64)
        segments, places = np.unique(colours @ (1, 256, 65536), return_inverse=True)
        category = defaultdict(
            lambda: None, {own["id"]: own["category_id"] for own in annotation["segments_info"]}
        )
        ids = np.array([mask_id.get(category[int(own)], IGNORE_ID) for own in segments], np.uint8)
        mask = ids[places.reshape(colours.shape[:2])]
        check_sizes(opened(image, name), mask, name)
        return NamedPair(Path(name).stem, image, mask)

    stems = [Path(images[own["image_id"]]).stem for own in annotations]
    return tuple(names[category] for category in order), Pairs(stems, read)


def instance_pairs(root: Path, split: str) -> tuple[tuple[str, ...], Pairs]:
    """By the reader of `train_segmenter`, which draws small instances over large ones."""
    from train_segmenter.data.coco import drawn_instances

    base = image_folder(root, split)
    source = drawn_instances(base, root / "annotations" / f"instances_{split}.json")
    files = [inside(base, str(path.relative_to(base))) for path, _, _ in source.images]

    def read(number: int) -> NamedPair:
        image = files[number].read_bytes()
        opened(image, str(files[number]))
        return NamedPair(files[number].stem, image, source[number].mask)

    return source.class_names, Pairs([file.stem for file in files], read)


def image_folder(root: Path, split: str) -> Path:
    return root / "images" / split if (root / "images" / split).is_dir() else root / split
