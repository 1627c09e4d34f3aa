"""Whatever masks, names and COCO files hold, they are read as a slow reference reads them, or refused in one
line: no other error is raised, and nothing else is made of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as official

from diffusers_attnmask.ground.pictures import encoded
from train_segmenter.data.base import FilePair, FilePairs
from train_segmenter.data.coco import drawn_instances
from train_segmenter.data.home import Home
from train_segmenter.data.names import read_names

ANY = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SIDES = st.integers(1, 6)
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**10), st.floats(-9, 9), st.text(max_size=3), st.just([]),
    st.just({}), st.lists(st.integers(0, 3), max_size=3),
)  # fmt: skip


def read_or_refused(read, *names: str) -> Any:
    """What is read; None where it is refused by one of the names."""
    try:
        return read()
    except ValueError as refusal:
        assert any(name in str(refusal) for name in names), repr(refusal)
        assert "\n" not in str(refusal)
        return None


# ---- masks


@st.composite
def masks(draw) -> tuple[Image.Image, list[list[float]] | None]:
    """A picture of any mode, and its ids by rows where there is one number for each pixel."""
    height, width = draw(SIDES), draw(SIDES)
    mode = draw(st.sampled_from(["L", "P", "1", "I;16", "I", "F", "LA", "RGB"]))
    most = {"1": 1, "L": 255, "P": 255, "I;16": 300, "I": 300, "F": 3}.get(mode, 255)
    least = -2 if mode in ("I", "F") else 0
    few = st.sampled_from([0, 1, 2, 255]).map(lambda own: min(own, most))
    values = draw(
        st.lists(
            st.lists(few | st.integers(least, most), min_size=width, max_size=width),
            min_size=height, max_size=height,
        )
    )  # fmt: skip
    if mode in ("LA", "RGB"):
        return Image.new(mode, (width, height)), None
    picture = Image.new(mode, (width, height))
    if mode == "P":
        picture.putpalette([own for own in range(256) for _ in "RGB"])
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            picture.putpixel((column, row), value)
    return picture, values


@ANY
@given(masks(), SIDES, SIDES, st.integers(1, 4), st.booleans())
def test_masks(tmp_path, mask, width, height, classes, fits):
    picture, values = mask
    if fits:
        width, height = picture.size
    kind = "png" if picture.mode in ("L", "P", "1", "I;16", "LA", "RGB") else "tiff"
    (tmp_path / "mask").write_bytes(encoded(picture, kind))
    (tmp_path / "image").write_bytes(encoded(np.zeros((height, width, 3), np.uint8)))
    pairs = FilePairs(tuple(map(str, range(classes))), (FilePair(tmp_path / "image", tmp_path / "mask"),))
    sample = read_or_refused(lambda: pairs[0], str(tmp_path / "mask"))
    known = {*range(classes), 255}
    wanted = (
        values is not None
        and picture.mode != "F"
        and picture.size == (width, height)
        and all(value in known for line in values for value in line)
    )
    assert (sample is not None) == wanted
    if sample is not None:
        assert sample.mask.dtype == np.uint8 and sample.mask.tolist() == values


# ---- names


@ANY
@given(st.dictionaries(st.integers(-1, 4).map(str) | st.text(max_size=2), JUNK | st.just("dog"), max_size=5))
def test_names(tmp_path, labels):
    (tmp_path / "id2label.json").write_text(json.dumps(labels))
    names = read_or_refused(lambda: read_names(tmp_path), "id2label.json")
    wanted = [labels.get(str(number)) for number in range(len(labels))]
    fine = bool(labels) and all(isinstance(name, str) and name.strip() for name in wanted)
    assert names == (tuple(wanted) if fine else None)


# ---- COCO


def polygons(side: int):
    numbers = st.floats(-2, 2 * side, allow_nan=False) | st.integers(0, side)
    return st.lists(st.lists(numbers, min_size=4, max_size=8), max_size=2)


@st.composite
def run_lengths(draw, height: int, width: int) -> dict[str, Any]:
    """Of a region, as a list or packed by the official library; sometimes one of them is changed."""
    region = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    flat = np.array(region, np.uint8).reshape(height, width)
    packed = official.encode(np.asfortranarray(flat))["counts"].decode()
    counts, last = [0], False
    for value in flat.T.ravel().tolist():
        if bool(value) != last:
            counts.append(0)
            last = bool(value)
        counts[-1] += 1
    if draw(st.integers(0, 3)) == 0:
        counts[draw(st.integers(0, len(counts) - 1))] += draw(st.integers(-2, 2))
        packed = draw(st.text("0123`abcPQo", max_size=6))
    return {"size": [height, width], "counts": draw(st.sampled_from([counts, packed]))}


@st.composite
def coco_files(draw) -> dict[str, Any]:
    """A small file that is right, or in which some values are missing or of another kind."""
    categories = [{"id": own, "name": f"name {own}"} for own in draw(st.sets(st.integers(1, 5), min_size=1))]
    sides = draw(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=2))
    images = [
        {"id": number, "file_name": f"{number}.png", "height": height, "width": width}
        for number, (height, width) in enumerate(sides)
    ]
    annotations = []
    for _ in range(draw(st.integers(0, 3))):
        image = draw(st.sampled_from(images))
        height, width = image["height"], image["width"]
        region = draw(run_lengths(height, width) | polygons(max(height, width)))
        own = {"image_id": image["id"], "category_id": draw(st.sampled_from(categories))["id"]}
        own |= {"segmentation": region} | draw(st.sampled_from([{}, {"area": draw(st.integers(0, 20))}]))
        annotations.append(own)
    content = {"images": images, "categories": categories, "annotations": annotations}
    if draw(st.booleans()):
        place: Any = draw(st.sampled_from([content, *images, *categories, *annotations]))
        key = draw(st.sampled_from(sorted(place)))
        place[key] = draw(JUNK)
    return json.loads(json.dumps(content))


def pixels(segmentation: Any, height: int, width: int) -> np.ndarray:
    if isinstance(segmentation, list):
        return official.decode(official.merge(official.frPyObjects(segmentation, height, width))).astype(bool)
    counts = segmentation["counts"]
    if isinstance(counts, str):
        return official.decode(segmentation).astype(bool)
    mask, at, value = np.zeros((height, width), bool), 0, False
    for count in counts:
        for place in range(at, at + count):
            mask[place % height, place // height] = value
        at, value = at + count, not value
    return mask


def reference(content: dict[str, Any]) -> list[np.ndarray]:
    """The masks by image, the smaller region over the larger."""
    ids = {own: number for number, own in enumerate(sorted(c["id"] for c in content["categories"]), 1)}
    found = []
    for image in sorted(content["images"], key=lambda own: own["file_name"]):
        sides = image["height"], image["width"]
        regions = [
            (
                own.get("area"),
                pixels(own["segmentation"], image["height"], image["width"]),
                own["category_id"],
            )
            for own in content["annotations"]
            if own["image_id"] == image["id"]
        ]
        sized = [
            (area if type(area) in (int, float) else own.sum(), own, kind) for area, own, kind in regions
        ]
        mask = np.zeros(sides, np.uint8)
        for _, own, kind in sorted(sized, key=lambda entry: -entry[0]):
            mask[own] = ids[kind]
        found.append(mask)
    return found


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@ANY
@given(coco_files())
def test_coco_files(tmp_path, content):
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(content))

    def read() -> list[np.ndarray]:
        source = drawn_instances(tmp_path, file, Home(tmp_path))
        return [source.mask(image) for image in source.content.images]

    drawn = read_or_refused(read, "instances.json", "leads out of")
    if drawn is not None:
        for mask, wanted in zip(drawn, reference(content), strict=True):
            np.testing.assert_array_equal(mask, wanted)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@ANY
@given(st.data())
def test_run_lengths_of_the_official_library_are_read(tmp_path, data):
    """What is right is never refused: the test above would also pass on nothing."""
    height, width = data.draw(SIDES), data.draw(SIDES)
    region = np.array(
        data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width)), np.uint8
    ).reshape(height, width)
    packed = official.encode(np.asfortranarray(region))["counts"].decode()
    content = {
        "images": [{"id": 1, "file_name": "a", "height": height, "width": width}],
        "categories": [{"id": 3, "name": "x"}],
        "annotations": [
            {"image_id": 1, "category_id": 3, "segmentation": {"size": [height, width], "counts": packed}}
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    source = drawn_instances(tmp_path, tmp_path / "a.json", Home(tmp_path))
    np.testing.assert_array_equal(source.mask(source.content.images[0]), region)
