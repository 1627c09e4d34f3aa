"""Each exported format is what its own readers expect, and comes back pixel by pixel."""

import io
import json
import runpy
from hashlib import sha256
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from torchvision.datasets import Cityscapes, CocoDetection, VOCSegmentation
from typer import Typer
from typer.testing import CliRunner

from dataset_builder.commands.export import export
from dataset_builder.export.convert import FORMATS, ExportOptions, convert, read_any
from dataset_builder.export.pair_set import NamedPair, Pairs, PairSet
from dataset_builder.export.palettes import palette_of
from dataset_builder.vocabulary import load_vocabulary
from diffusers_attnmask.ground.palette import VOC_PALETTE
from tests.dataset_builder.export.small_dataset import make_dataset
from train_segmenter.data import check_source, open_source

app = Typer()
app.command()(export)


@pytest.fixture(params=["voc", "tiny-world", "coco"])
def data(request, tmp_path):
    """A dataset folder, its masks, its vocabulary."""
    vocabulary = load_vocabulary(request.param)
    masks = make_dataset(tmp_path / "data", vocabulary.class_names, splits=("train", "validation"))
    return tmp_path / "data", masks, vocabulary


def exported(data, to, out, **options):
    return convert(str(data), out, ExportOptions(to, **options))[1]


def test_torchvision_reads_the_voc_folder(data, tmp_path):
    folder, masks, vocabulary = data
    exported(folder, "voc", tmp_path / "out")
    for split, wanted in (("train", "train"), ("val", "validation")):
        read = VOCSegmentation(str(tmp_path / "out"), year="2012", image_set=split)
        names = [Path(path).stem for path in read.masks]
        assert names == [name for name in masks if wanted in name] and names == [
            Path(p).stem for p in read.images
        ]
        for (image, mask), name in zip(read, names, strict=True):
            assert mask.mode == "P" and image.size == mask.size
            np.testing.assert_array_equal(mask, masks[name])
            assert tuple(mask.getpalette()[3:6]) == vocabulary.palette[1]
    everything = VOCSegmentation(str(tmp_path / "out"), image_set="trainval")
    assert len(everything) == 10
    for path in everything.images:
        with Image.open(path) as image:
            assert image.format == "JPEG"


def test_images_that_are_jpegs_already_keep_every_byte(data, tmp_path):
    folder, _, _ = data
    home = exported(folder, "voc", tmp_path / "out")
    stored = datasets.load_dataset(str(folder), split="train").cast_column(
        "image", datasets.Image(decode=False)
    )
    assert (home / "JPEGImages" / "pair-train0.jpg").read_bytes() == stored[0]["image"]["bytes"]


def test_pycocotools_reads_the_instances(data, tmp_path):
    folder, masks, vocabulary = data
    home = exported(folder, "coco", tmp_path / "out")
    coco = COCO(home / "annotations" / "instances_train.json")
    names = {own["id"]: own["name"] for own in coco.loadCats(coco.getCatIds())}
    assert list(names.values()) == list(vocabulary.class_names[1:])
    if vocabulary.name == "coco":
        assert names[90] == "toothbrush" and names[13] == "stop sign"
    for image in coco.loadImgs(coco.getImgIds()):
        mask = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
            region = coco.annToMask(annotation).astype(bool)
            assert region.sum() == annotation["area"] and not mask[region].any()
            left, top, width, height = annotation["bbox"]
            assert region[top : top + height, left : left + width].sum() == region.sum()
            assert region[top].any() and region[:, left + width - 1].any()
            mask[region] = vocabulary[names[annotation["category_id"]]].id
        expected = masks[Path(image["file_name"]).stem]
        np.testing.assert_array_equal(mask, np.where(expected == 255, 0, expected))
    pairs = CocoDetection(str(home / "images" / "train"), str(home / "annotations" / "instances_train.json"))
    assert len(pairs) == 5 and pairs[0][0].size == (30, 24)


def test_the_panoptic_pictures_tell_background_from_void(data, tmp_path):
    folder, masks, vocabulary = data
    home = exported(folder, "coco", tmp_path / "out")
    content = json.loads((home / "annotations" / "panoptic_val.json").read_text())
    categories = {own["id"]: own for own in content["categories"]}
    assert [own["isthing"] for own in content["categories"]] == [0] + [1] * len(vocabulary.classes)
    for annotation in content["annotations"]:
        picture = Image.open(home / "annotations" / "panoptic_val" / annotation["file_name"])
        red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
        segments = red + 256 * green + 256**2 * blue
        expected = masks[Path(annotation["file_name"]).stem]
        assert {own["id"] for own in annotation["segments_info"]} == set(np.unique(segments)) - {0}
        np.testing.assert_array_equal(segments == 0, expected == 255)
        for own in annotation["segments_info"]:
            category = categories[own["category_id"]]
            assert (expected[segments == own["id"]] == vocabulary.class_names.index(category["name"])).all()
            assert own["area"] == (segments == own["id"]).sum()
            assert (
                tuple(category["color"]) == vocabulary.palette[vocabulary.class_names.index(category["name"])]
            )


@pytest.mark.parametrize("to", ["voc", "coco", "mmseg", "folder"])
def test_what_was_exported_is_imported_exactly(data, to, tmp_path):
    folder, masks, vocabulary = data
    exported(folder, to, tmp_path / "out")
    exported(f"{to}:{tmp_path / 'out'}", "dataset", tmp_path / "back")
    back = datasets.load_dataset(str(tmp_path / "back"))
    assert set(back) == {"train", "validation"}
    assert json.loads((tmp_path / "back" / "id2label.json").read_text()) == {
        str(i): name for i, name in vocabulary.id2label.items()
    }
    read = {row["id"]: row for rows in back.values() for row in rows}
    assert set(read) == set(masks)
    original = {row["id"]: row for rows in datasets.load_dataset(str(folder)).values() for row in rows}
    for name, mask in masks.items():
        np.testing.assert_array_equal(read[name]["mask"], mask)
        assert sorted(read[name]["classes"]) == sorted(original[name]["classes"])
        if to != "voc":
            np.testing.assert_array_equal(read[name]["image"], original[name]["image"])


def test_the_segmenter_trains_from_every_export(data, tmp_path):
    folder, masks, vocabulary = data
    for to in ("voc", "folder") + (("coco",) if vocabulary.name == "coco" else ()):
        home = exported(folder, to, tmp_path / to)
        source = open_source(f"{to}:{home}@train")
        if to == "voc" and vocabulary.name != "voc":
            continue  # its reader knows VOC's own classes alone
        check_source(source, progress=False)
        assert source.class_names == vocabulary.class_names
        for place in range(len(source)):
            sample = source[place]
            expected = masks[Path(source.name(place)).stem]
            np.testing.assert_array_equal(
                sample.mask, np.where(expected == 255, 0, expected) if to == "coco" else expected
            )


def test_the_mmseg_config_names_files_that_are_there(data, tmp_path):
    folder, masks, vocabulary = data
    home = exported(folder, "mmseg", tmp_path / "out")
    config = runpy.run_path(str(home / "dataset_config.py"))
    assert config["metainfo"]["classes"] == vocabulary.class_names
    assert [tuple(c) for c in config["metainfo"]["palette"]] == list(
        vocabulary.palette[: len(vocabulary.class_names)]
    )
    for own in (config["train_dataset"], config["val_dataset"]):
        prefix = own["data_prefix"]
        images = sorted(path.stem for path in (home / prefix["img_path"]).glob(f"*{own['img_suffix']}"))
        truths = sorted(
            path.stem for path in (home / prefix["seg_map_path"]).glob(f"*{own['seg_map_suffix']}")
        )
        assert images == truths and len(images) == 5 and own["ignore_index"] == 255
        np.testing.assert_array_equal(
            Image.open(home / prefix["seg_map_path"] / f"{images[0]}.png"), masks[images[0]]
        )


def test_torchvision_reads_the_cityscapes_folder(tmp_path):
    cityscapes = load_vocabulary("cityscapes")
    masks = list(make_dataset(tmp_path / "data", cityscapes.class_names).values())
    home = exported(tmp_path / "data", "cityscapes", tmp_path / "out")
    read = Cityscapes(str(home), split="train", mode="fine", target_type=["semantic", "color"])
    label = {own.train_id: own.id for own in reversed(Cityscapes.classes) if own.train_id not in (-1, 255)}
    for path, (image, (labels, colours)) in zip(read.images, read, strict=True):
        mask = masks[int(Path(path).name.split("_")[1])]
        assert image.size == labels.size == mask.shape[::-1]
        np.testing.assert_array_equal(labels, np.vectorize(lambda i: label.get(i, 0))(mask))
        np.testing.assert_array_equal(
            np.asarray(colours)[mask == 13], np.full(((mask == 13).sum(), 3), (0, 0, 142))
        )
    trains = sorted((home / "gtFine" / "train" / "synthetic").glob("*_labelTrainIds.png"))
    np.testing.assert_array_equal(np.stack([Image.open(path) for path in trains]), masks)
    back = read_any(f"cityscapes:{home}")
    assert back.class_names == cityscapes.class_names
    np.testing.assert_array_equal(np.stack([pair.mask for pair in back.splits["train"]]), masks)


def test_classes_that_cityscapes_lacks_are_refused(tmp_path):
    make_dataset(tmp_path / "data", load_vocabulary("cityscapes-human-vehicle").class_names)
    with pytest.raises(
        ValueError, match=r"Cityscapes has no class human, vehicle; it has road.*Export as voc"
    ):
        exported(tmp_path / "data", "cityscapes", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_instances_are_imported_whatever_else_lies_beside_them(tmp_path):
    vocabulary = load_vocabulary("coco")
    make_dataset(tmp_path / "data", vocabulary.class_names)
    home = exported(tmp_path / "data", "coco", tmp_path / "out")
    for file in home.glob("annotations/panoptic_*.json"):
        file.unlink()
    (plain,) = read_any(f"COCO:{home}").splits.values()
    (home / "stuffthingmaps" / "train").mkdir(parents=True)
    (beside,) = read_any(f"COCO:{home}").splits.values()
    assert len(plain) == len(beside) == 5
    for one, other in zip(plain, beside, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_validation_pairs_are_parted_by_name(tmp_path):
    make_dataset(tmp_path / "data", ("background", "a"), count=40)
    exported(tmp_path / "data", "voc", tmp_path / "out", val_share=0.3)
    lists = tmp_path / "out" / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    train, val = ((lists / f"{split}.txt").read_text().split() for split in ("train", "val"))
    assert len(train) + len(val) == 40 == len({*train, *val}) and 4 <= len(val) <= 20
    exported(tmp_path / "data", "voc", tmp_path / "again", val_share=0.3)
    same = tmp_path / "again" / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt"
    assert same.read_text().split() == val


def test_the_command_exports_and_imports(tmp_path):
    make_dataset(tmp_path / "data", ("background", "apple", "pear"))
    arguments = ["--data", str(tmp_path / "data"), "--to", "voc", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    home = tmp_path / "out" / "VOCdevkit" / "VOC2012"
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "out": str(home),
        "pairs": 5,
        "splits": {"train": 5},
    }
    with Image.open(next((home / "SegmentationClass").iterdir())) as mask:
        assert tuple(mask.getpalette()[3:6]) == VOC_PALETTE[1]
    assert not (tmp_path / "out.unfinished").exists()


def export_digest(vocabulary, to, out):
    """Of all that an export of every class holds: names, texts, pixels and palettes, no compressed bytes."""
    names = load_vocabulary(vocabulary).class_names
    mask = np.arange(len(names), dtype=np.uint8).repeat(2)[None].repeat(2, 0)
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "png")
    pair = NamedPair("a", stream.getvalue(), mask)
    writer = FORMATS[to][1](PairSet(names, {"train": Pairs(["a"], lambda n: pair)}), palette_of(names))
    written = writer.pair("train", 0, pair)
    for name, content in written.files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    writer.finish(out, {"train": lambda: iter([written.entry])})
    whole = sha256()
    for path in sorted(out.rglob("*.*")):
        if path.suffix == ".png":
            with Image.open(path) as picture:
                content = np.asarray(picture).tobytes() + bytes(picture.getpalette() or [])
        else:
            content = path.read_bytes() if path.suffix != ".jpg" else b""
        whole.update(str(path.relative_to(out)).encode() + content)
    return whole.hexdigest()[:16]


@pytest.mark.parametrize(
    ("vocabulary", "to", "digest"),
    [
        ("voc", "voc", "8a12e43f081208bd"),
        ("coco", "coco", "94931aca0a59a83c"),
        ("cityscapes", "cityscapes", "b5572e255152f579"),
        ("cityscapes-human-vehicle", "coco", "1db4bbd18dfcfea1"),
        ("cityscapes-human-vehicle", "voc", "a23ddf4411aee688"),
    ],
)
def test_ids_and_colours_of_official_classes_are_exported_as_ever(tmp_path, vocabulary, to, digest):
    assert export_digest(vocabulary, to, tmp_path) == digest


@pytest.mark.parametrize("to", ["voc", "coco", "folder", "mmseg"])
def test_a_turned_picture_is_exported_as_it_is_seen(tmp_path, to):
    """Readers of the formats may know nothing of EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.zeros((12, 8, 3), np.uint8)
    upright[:6] = 200
    lying = np.ascontiguousarray(np.rot90(upright))
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    Image.fromarray(lying).save(tmp_path / "data/images/a.jpg", quality=95, exif=exif)
    Image.fromarray((upright[..., 0] > 100).astype(np.uint8)).save(tmp_path / "data/masks/a.png")
    (tmp_path / "data/classes.txt").write_text("background\nlight\n")
    _, home = convert(f"folder:{tmp_path / 'data'}", tmp_path / "out", ExportOptions(to))
    (file,) = (own for own in home.rglob("a.*") if own.suffix == ".jpg" or "img" in str(own))
    with Image.open(file) as picture:
        assert picture.size == (8, 12) and picture.getexif().get(0x0112, 1) == 1
        assert abs(np.asarray(picture).astype(int) - upright).mean() < 5
