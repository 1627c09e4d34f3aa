"""Formats that tell objects apart: read by their own libraries, and back again."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pycocotools.coco import COCO
from torchmetrics.functional.detection import panoptic_quality
from torchvision.datasets import Cityscapes, VOCDetection
from typer import Typer
from typer.testing import CliRunner

from dataset_builder.commands.export import export
from dataset_builder.export.convert import ExportOptions, convert, read_any
from diffusers_attnmask.ground.columns import object_cells, pair_features
from diffusers_attnmask.ground.instances import described
from diffusers_attnmask.ground.pictures import encoded
from tests.dataset_builder.stored_rows import store_rows

NAMES = ("background", "cat", "dog")
SIDE = 4  # of the blocks, in pixels


def blocks(seed, classes):
    """A mask of blocks with 255, and an object for every two blocks of a class that lie side by side."""
    rng = np.random.default_rng(seed)
    ids = rng.choice([*range(classes), 255], (5, 6)).astype(np.uint8)
    numbers = np.arange(1, 31).reshape(5, 6)
    numbers[:, 1::2] = np.where(ids[:, 1::2] == ids[:, ::2], numbers[:, ::2], numbers[:, 1::2])
    pixels = np.ones((SIDE, SIDE), np.uint8)
    return np.kron(ids, pixels), np.kron(numbers, pixels)


def made(folder, names=NAMES, splits=("train", "validation"), form="pair-{}{}"):
    """A dataset with objects, and the mask and the objects of each pair by name."""
    known, rows = {}, {}
    for split in splits:
        rows[split] = []
        for number in range(3):
            mask, numbers = blocks(len(known), len(names))
            shown = (mask != 255) & ((mask > 0) | (names[0] != "background"))
            objects = described(np.where(shown, numbers, 0), mask, names)
            name = form.format(split, number)
            known[name] = mask, objects
            rows[split].append(
                {
                    "image": {"bytes": encoded(np.random.default_rng(number).integers(
                        0, 256, (*mask.shape, 3), np.uint8)), "path": None},
                    "mask": {"bytes": encoded(mask), "path": None},
                    "id": name,
                    "prompt": "",
                    "classes": sorted({own.class_id for own in objects}),
                    "seed": number,
                    "method": "exact",
                    "model": "",
                    "quality": 1.0,
                    **object_cells(objects, range(len(names))),
                }
            )  # fmt: skip
    folder.mkdir(parents=True)
    store_rows(rows, pair_features(names, instances=True), names, folder)
    return known


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data", made(tmp_path / "data")


def exported(folder, to, out, **options):
    return convert(str(folder), out, ExportOptions(to, **options))[1]


def same_partition(one, other):
    """Whether two pictures of numbers tell the same objects apart."""
    pairs = {(int(a), int(b)) for a, b in zip(one.ravel(), other.ravel(), strict=True)}
    return len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


def panoptic_pairs(mask, ids):
    """Class and object of every pixel, as torchmetrics takes them."""
    return torch.from_numpy(np.stack([mask.astype(int), ids.astype(int)], -1))[None]


def test_pycocotools_reads_every_object(data, tmp_path):
    folder, known = data
    home = exported(folder, "coco", tmp_path / "out")
    coco = COCO(home / "annotations" / "instances_train.json")
    for image in coco.loadImgs(coco.getImgIds()):
        mask, objects = known[Path(image["file_name"]).stem]
        ids = np.zeros(mask.shape, int)
        for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
            region = coco.annToMask(annotation).astype(bool)
            assert not ids[region].any() and (mask[region] == annotation["category_id"]).all()
            rows, columns = np.nonzero(region)
            size = [np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert annotation["bbox"] == [columns.min(), rows.min(), *size]
            assert annotation["area"] == region.sum() and annotation["iscrowd"] == 0
            ids[region] = annotation["id"]
        assert same_partition(ids, objects.ids)


def test_the_panoptic_pictures_follow_the_published_rules(data, tmp_path):
    """Ids are those of the segments, every pixel has one or is void; and the panoptic quality is 1."""
    folder, known = data
    home = exported(folder, "coco", tmp_path / "out")
    content = json.loads((home / "annotations" / "panoptic_train.json").read_text())
    things = {own["id"]: own["isthing"] for own in content["categories"]}
    assert set(things.values()) == {0, 1}
    for annotation in content["annotations"]:
        mask, objects = known[Path(annotation["file_name"]).stem]
        picture = np.asarray(Image.open(home / "annotations/panoptic_train" / annotation["file_name"]))
        segments = picture.astype(int) @ [1, 256, 65536]
        infos = {own["id"]: own for own in annotation["segments_info"]}
        assert set(infos) == set(np.unique(segments)) - {0} and not (segments[mask == 255]).any()
        categories = np.zeros(mask.shape, int)
        for number, own in infos.items():
            categories[segments == number] = own["category_id"]
            assert own["area"] == (segments == number).sum()
        of_classes = np.where(mask == 0, next(own for own in things if not things[own]), mask)
        categories[mask == 255] = of_classes[mask == 255] = 0
        quality = panoptic_quality(
            panoptic_pairs(categories, segments),
            panoptic_pairs(of_classes, objects.ids),
            things={own for own in things if things[own]},
            stuffs={0, *(own for own in things if not things[own])},
        )
        assert quality == 1


def test_yolo_polygons_and_boxes_are_those_of_the_objects(data, tmp_path):
    folder, known = data
    outlined = exported(folder, "yolo-seg", tmp_path / "polygons")
    boxed = exported(folder, "yolo-detect", tmp_path / "boxes")
    config = yaml.safe_load((boxed / "data.yaml").read_text())
    assert config["names"] == {0: "cat", 1: "dog"} and config["train"] == "images/train"
    for split, own in (("train", "train"), ("val", "validation")):
        for name, (mask, objects) in known.items():
            if own not in name:
                continue
            assert (boxed / config[split] / f"{name}.png").is_file()
            height, width = mask.shape
            for home, check in ((outlined, False), (boxed, True)):
                lines = (home / "labels" / split / f"{name}.txt").read_text().splitlines()
                assert len(lines) == len(objects)
                for line, found in zip(lines, objects, strict=True):
                    class_id, *numbers = map(float, line.split())
                    assert class_id == found.class_id - 1 and all(0 <= one <= 1 for one in numbers)
                    x, y, w, h = found.box
                    if check:
                        assert numbers == pytest.approx(
                            [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height], abs=1e-6
                        )
                    else:
                        points = np.reshape(numbers, (-1, 2)) * (width, height)
                        assert points.min(0) == pytest.approx([x, y], abs=1e-3)
                        assert points.max(0) == pytest.approx([x + w, y + h], abs=1e-3)


@pytest.mark.parametrize("png", [False, True])
def test_torchvision_reads_voc_boxes(data, tmp_path, png):
    folder, known = data
    home = exported(folder, "voc", tmp_path / "out", png=png)
    if png:  # torchvision looks for JPEGs alone
        for path in (home / "JPEGImages").iterdir():
            assert path.suffix == ".png"
            path.rename(path.with_suffix(".jpg"))
    read = VOCDetection(str(tmp_path / "out"), image_set="train")
    assert len(read) == 3
    for path, (image, target) in zip(read.images, read, strict=True):
        mask, objects = known[Path(path).stem]
        told = target["annotation"]
        assert told["size"] == {"width": str(image.width), "height": str(image.height), "depth": "3"}
        boxes = [
            (own["name"], *(int(own["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax")))
            for own in told["object"]
        ]
        assert boxes == [
            (own.name, own.box[0] + 1, own.box[1] + 1, own.box[0] + own.box[2], own.box[1] + own.box[3])
            for own in objects
        ]
        numbers = np.asarray(Image.open(home / "SegmentationObject" / f"{Path(path).stem}.png"))
        np.testing.assert_array_equal(numbers, np.where(mask == 255, 255, objects.ids))
        if png:
            rng = np.random.default_rng(int(Path(path).stem[-1]))
            np.testing.assert_array_equal(np.asarray(image), rng.integers(0, 256, (*mask.shape, 3), np.uint8))


def test_torchvision_reads_cityscapes_instances_and_polygons(tmp_path):
    from dataset_builder.vocabulary import load_vocabulary

    names = load_vocabulary("cityscapes").class_names
    known = made(tmp_path / "data", names, ("train",), "aachen_00000{1}_000019")
    home = exported(tmp_path / "data", "cityscapes", tmp_path / "out")
    read = Cityscapes(str(home), target_type=["instance", "polygon", "semantic"])
    with_objects = {own.id for own in Cityscapes.classes if own.has_instances}
    counted_names = {own.name for own in Cityscapes.classes if own.has_instances}
    assert len(read) == 3
    for path, (_, (ids, polygons, labels)) in zip(read.images, read, strict=True):
        assert Path(path).parent.name == "aachen"
        mask, objects = known[Path(path).name.removesuffix("_leftImg8bit.png")]
        ids, labels = np.asarray(ids), np.asarray(labels)
        counted = np.isin(labels, list(with_objects))
        np.testing.assert_array_equal(ids[~counted], labels[~counted])
        np.testing.assert_array_equal(ids[counted] // 1000, labels[counted])
        assert same_partition(np.where(counted, ids, 0), np.where(counted, objects.ids, 0))
        assert (polygons["imgHeight"], polygons["imgWidth"]) == mask.shape
        assert [own["label"] for own in polygons["objects"]] == [own.name for own in objects]
    back = read_any(f"cityscapes:{home}").splits["train"]
    for pair in back:
        mask, objects = known[pair.name.removesuffix("_leftImg8bit")]
        counted = np.isin(mask, [place for place, name in enumerate(names) if name in counted_names])
        assert same_partition(pair.objects, np.where(counted, objects.ids, 0))
    again = exported(f"cityscapes:{home}", "cityscapes", tmp_path / "again")
    for file in home.rglob("*.png"):
        assert (again / file.relative_to(home)).read_bytes() == file.read_bytes()


def test_imagefolder_is_read_by_datasets(data, tmp_path):
    folder, known = data
    home = exported(folder, "imagefolder", tmp_path / "out")
    read = datasets.load_dataset("imagefolder", data_dir=str(home), cache_dir=str(tmp_path / "cache"))
    assert {split: len(own) for split, own in read.items()} == {"train": 3, "validation": 3}
    for row in (row for own in read.values() for row in own):
        mask, objects = known[row["id"]]
        np.testing.assert_array_equal(np.asarray(row["mask"]), mask)
        np.testing.assert_array_equal(np.asarray(row["instances"]), objects.ids)
        assert row["image"].size == mask.shape[::-1]
        assert row["objects"]["bbox"] == [list(own.box) for own in objects]
        assert row["objects"]["category"] == [own.class_id for own in objects]


@pytest.mark.parametrize("to", ["coco", "voc", "imagefolder", "yolo-seg", "dataset"])
def test_objects_come_back_from_every_format(data, tmp_path, to):
    folder, known = data
    exported(folder, to, tmp_path / "out")
    exported(f"{to}:{tmp_path / 'out'}", "dataset", tmp_path / "back")
    back = datasets.load_dataset(str(tmp_path / "back"), cache_dir=str(tmp_path / "cache"))
    assert set(back) == {"train", "validation"}
    for row in (row for own in back.values() for row in own):
        mask, objects = known[row["id"]]
        read = np.asarray(row["mask"])
        np.testing.assert_array_equal(read, np.where(mask == 255, 0, mask) if to == "yolo-seg" else mask)
        assert same_partition(np.asarray(row["instances"]), objects.ids)
        assert len(row["objects"]["id"]) == len(objects)


def test_data_without_objects_count_connected_parts(tmp_path):
    from tests.dataset_builder.export.small_dataset import make_dataset

    masks = make_dataset(tmp_path / "data", NAMES)
    home = exported(tmp_path / "data", "yolo-detect", tmp_path / "out")
    from scipy.ndimage import label

    for name, mask in masks.items():
        lines = (home / "labels/train" / f"{name}.txt").read_text().splitlines()
        assert len(lines) == sum(label(mask == own, np.ones((3, 3)))[1] for own in (1, 2))
    exported(f"{tmp_path / 'data'}", "dataset", tmp_path / "copy")
    assert "objects" not in datasets.load_dataset(str(tmp_path / "copy"), split="train").column_names


def test_more_objects_than_voc_tells_apart_are_refused(tmp_path):
    (tmp_path / "data/images").mkdir(parents=True)
    (tmp_path / "data/masks").mkdir()
    dots = np.zeros((64, 64), np.uint8)
    dots[::2, ::2] = 1
    Image.fromarray(dots).convert("RGB").save(tmp_path / "data/images/a.png")
    Image.fromarray(dots).save(tmp_path / "data/masks/a.png")
    (tmp_path / "data/classes.txt").write_text("background\ndot\n")
    with pytest.raises(ValueError, match=r"a has 1024 objects.* tell 254 apart: export as coco"):
        exported(f"folder:{tmp_path / 'data'}", "voc", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 0.5 0.5 0.2 0.2", "is a box, of which no mask can be made"),
        ("7 0.1 0.1 0.5 0.1 0.5 0.5", "the class 7 is none of 0 to 1"),
        ("0 0.1 0.1 0.5 0.1 1.5 0.5", "pairs of x and y from 0 to 1"),
        ("0 0.1 0.1 nan 0.1 0.5 0.5", "pairs of x and y from 0 to 1"),
        ("cat 0.1", "is no class id and coordinates"),
    ],
)
def test_wrong_lines_of_yolo_are_named(data, tmp_path, line, told):
    folder, _ = data
    home = exported(folder, "yolo-seg", tmp_path / "out")
    file = home / "labels/train/pair-train0.txt"
    file.write_text(f"\n{line}\n")
    with pytest.raises(ValueError, match=rf"pair-train0.txt: line 2.*{told}"):
        exported(f"yolo-seg:{home}", "dataset", tmp_path / "back")


def test_the_command_writes_voc_as_png_and_nothing_else(data, tmp_path):
    app = Typer()
    app.command()(export)
    typed = ["--data", str(data[0]), "--out", str(tmp_path / "out"), "--png", "--json", "--to"]
    assert CliRunner().invoke(app, [*typed, "voc"], catch_exceptions=False).exit_code == 0
    assert len(list((tmp_path / "out").rglob("JPEGImages/*.png"))) == 6
    with pytest.raises(ValueError, match="--png is for voc alone; coco loses nothing"):
        CliRunner().invoke(app, [*typed, "coco"], catch_exceptions=False)
