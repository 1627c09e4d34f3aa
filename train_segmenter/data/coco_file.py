"""COCO's JSON, checked: what it lists refers to what it has, and regions fit their pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.option_faults import shown
from diffusers_attnmask.ground.pictures import MOST_PIXELS

Id = int | str
KINDS: dict[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "an object"}


class Annotation(NamedTuple):
    """What is said of a picture, and its place in the file's list."""

    number: int
    content: Mapping[str, Any]


@dataclass(frozen=True)
class CocoImage:
    """A picture by the name of its file, its size where that is said, and what is annotated in it."""

    file_name: str
    height: int
    width: int
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class CocoFile:
    """The pictures and the categories of an annotation file; `categories` by their ids, in rising order."""

    file: Path
    categories: Mapping[Id, str]
    images: tuple[CocoImage, ...]

    def where(self, annotation: Annotation) -> str:
        """Where an annotation stands, for errors."""
        return f"{self.file}: annotations[{annotation.number}]"


def read_coco_file(file: Path, *, needs: tuple[str, ...]) -> CocoFile:
    """An annotation file; `needs` are the keys of annotations that will be asked for."""
    content = read_json(file)
    categories: dict[Id, str] = {}
    for place, entry in entries(content, "categories", str(file)):
        own = _id(entry, "id", place)
        if own in categories:
            raise ValueError(f"{place}: the id {own!r} is given twice")
        categories[own] = value_of(entry, "name", str, place)
    if len(categories) >= IGNORE_ID:
        raise ValueError(
            f"{file} has {len(categories)} categories; masks have ids for {IGNORE_ID - 1} of them"
        )
    images: dict[Id, tuple[Mapping[str, Any], list[Annotation]]] = {}
    for place, entry in entries(content, "images", str(file)):
        own = _id(entry, "id", place)
        if own in images:
            raise ValueError(f"{place}: the id {own!r} is given twice")
        value_of(entry, "file_name", str, place)
        sides = [value_of(entry, side, int, place) for side in ("height", "width")]
        if min(sides) < 1 or sides[0] * sides[1] > MOST_PIXELS:
            raise ValueError(f"{place}: a picture of {sides[1]}×{sides[0]} pixels is not read")
        images[own] = (entry, [])
    if not images:
        raise ValueError(f"{file} lists no picture: its images are empty")
    for number, (place, entry) in enumerate(entries(content, "annotations", str(file))):
        own = _id(entry, "image_id", place)
        if own not in images:
            raise ValueError(f"{place}: there is no image with the id {own!r}")
        for key in needs:
            if key not in entry:
                raise ValueError(f"{place} has no {key!r}")
        if "category_id" in needs:
            check_category(entry, categories, place)
        images[own][1].append(Annotation(number, entry))
    return CocoFile(
        file,
        dict(sorted(categories.items(), key=lambda item: (isinstance(item[0], str), item[0]))),
        tuple(
            CocoImage(entry["file_name"], entry["height"], entry["width"], tuple(own))
            for entry, own in sorted(images.values(), key=lambda image: image[0]["file_name"])
        ),
    )


def check_category(entry: Mapping[str, Any], categories: Mapping[Id, str], where: str) -> None:
    """Refuses what has a category that the file does not list."""
    if _id(entry, "category_id", where) not in categories:
        raise ValueError(f"{where}: there is no category with the id {entry['category_id']!r}")


def region(segmentation: Any, height: int, width: int, where: str) -> np.ndarray:
    """Bool (height, width) of polygons or of run lengths, by COCO's own rules."""
    if isinstance(segmentation, Mapping):
        return from_run_lengths(segmentation, height, width, where)
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError(
            f"{where}: its segmentation must be polygons or run lengths, not {shown(segmentation)}"
        )
    for polygon in segmentation:
        if not _is_polygon(polygon, 2 * max(height, width)):
            raise ValueError(
                f"{where}: a polygon is a list x, y, x, y, … of at least three points in or near the "
                f"picture, not {shown(polygon)}"
            )
    from pycocotools import mask as official

    return official.decode(official.merge(official.frPyObjects(segmentation, height, width))).astype(bool)


def _is_polygon(polygon: Any, most: float) -> bool:
    return (
        isinstance(polygon, list)
        and len(polygon) >= 6
        and len(polygon) % 2 == 0
        and all(type(own) in (int, float) and math.isfinite(own) and abs(own) <= most for own in polygon)
    )


def from_run_lengths(value: Mapping[str, Any], height: int, width: int, where: str) -> np.ndarray:
    """Bool (height, width) of `{"size": [height, width], "counts": ...}`: off and on in turn, by columns.

    Counts that disagree with the size are refused before anything is made of them.
    """
    if value.get("size") != [height, width]:
        raise ValueError(
            f"{where}: run lengths of the size {shown(value.get('size'))}, not {[height, width]}"
        )
    counts = value.get("counts")
    runs = counts if isinstance(counts, list) else list(unpacked(counts, where))
    if (
        not all(type(own) is int and 0 <= own <= height * width for own in runs)
        or sum(runs) != height * width
    ):
        raise ValueError(f"{where}: its run lengths do not add up to {height}×{width} pixels")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def unpacked(counts: Any, where: str) -> Iterator[int]:
    """Run lengths from COCO's text: 5 bits a character and low ones first, from the third the change to the
    run two before."""
    if not isinstance(counts, str):
        raise ValueError(f"{where}: run lengths are a list or a text, not {shown(counts)}")
    before: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{where}: its run lengths are damaged")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:  # negative
                value -= 1 << shift
            before.append(value + (before[-2] if len(before) > 2 else 0))
            yield before[-1]
            value = shift = 0
    if shift:
        raise ValueError(f"{where}: its run lengths are cut off")


def entries(content: Mapping[str, Any], key: str, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a list, each after its place, as `FILE: images[3]`."""
    for number, entry in enumerate(value_of(content, key, list, where)):
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: {key}[{number}] must be an object, not {shown(entry)}")
        yield f"{where}: {key}[{number}]", entry


def value_of(entry: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in entry:
        raise ValueError(f"{where} has no {key!r}")
    value = entry[key]
    if type(value) is not kind or value == "":
        raise ValueError(f"{where}: {key} must be {KINDS[kind]}, not {shown(value)}")
    return value


def _id(entry: Mapping[str, Any], key: str, where: str) -> Id:
    if key not in entry:
        raise ValueError(f"{where} has no {key!r}")
    if type(entry[key]) not in (int, str):
        raise ValueError(f"{where}: {key} must be a whole number or text, not {shown(entry[key])}")
    return entry[key]


def stacked(annotations: Sequence[Annotation], regions: Sequence[np.ndarray]) -> list[int]:
    """The order in which annotations are drawn: from large to small, by their area or their pixels."""
    areas = [_area(own.content, pixels) for own, pixels in zip(annotations, regions, strict=True)]
    return sorted(range(len(areas)), key=lambda place: -areas[place])


def _area(annotation: Mapping[str, Any], pixels: np.ndarray) -> float:
    area = annotation.get("area")
    if isinstance(area, int | float) and not isinstance(area, bool) and math.isfinite(area):
        return area
    return int(pixels.sum())
