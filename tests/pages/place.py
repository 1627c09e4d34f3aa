"""What a reader of the pages has, of the smallest size and under the pages' own names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from dataset_builder.export.convert import ExportOptions, convert
from dataset_builder.hub.card import write_card
from diffusers_attnmask.ground.columns import MAPS, pair_features
from tests.dataset_builder.stored_rows import store_rows
from tests.small_models import sd15
from tests.small_models.sam import sam2, sam3
from tests.train_segmenter.models.seg_diffusion.small_segmenters import small_segmenter
from tests.train_segmenter.shapes import small_model
from tiny_world import CLASSES
from train_segmenter.data.tables import cityscapes_names, voc_names

SIDE = 32
PAIRS = {"train": 10, "val": 2, "test": 2}  # a tenth of the first is a pair
WORLD, BIRDS = ("background", *CLASSES), ("background", "heron", "duck")
GENERATED = ("pairs", "kept", "refined", "more", "DIR", "birds", "birds-kept")
GENERATED += ("data/tiny", "data/pairs", "data/refined", "data/kept")
TINY = "vocabulary: tiny-world\npairs: 2\nmaps: true\nsampling: {steps: 2, batch_size: 2, attempts: 1}\n"
PHOTOS = "vocabulary: {classes: {star: , moon: }}\n"


def furnish(place: Path) -> Path:
    """Everything in a folder that is there already."""
    for name in GENERATED:
        pairs(place / name, WORLD)
    hand_labelled(place / "birds-by-hand", WORLD)
    hand_labelled(place / "by-hand", BIRDS)
    for name in ("void-is-3", "void-is-254"):
        shutil.copytree(place / "by-hand/train", place / name)
    (place / "void-is-3/classes.txt").write_text("\n".join([*BIRDS, "void"]))
    exported(place, "voc", WORLD, "data/VOC")
    exported(place, "voc", WORLD, "VOC2012")
    exported(place, "voc", voc_names(), "VOCdevkit")
    (place / "VOCdevkit/id2label.json").unlink(missing_ok=True)
    exported(place, "cityscapes", cityscapes_names(), "cityscapes")
    for name in ("segmenter", "run", "runs/unet"):
        small_model(WORLD).save_pretrained(place / name)
    small_segmenter(WORLD).save_pretrained(place / "RUN")
    sd15().save_pretrained(place / "sd15")
    sam2(place / "sam2")
    sam3(place / "sam3")
    photos(place / "photos")
    (place / "photos.csv").write_text("file,classes\n000.png,star\n001.png,star;moon\n002.jpg,moon\n")
    (place / "voc.yaml").write_text(PHOTOS)
    (place / "small.yaml").write_text(TINY)
    (place / "birds.yaml").write_text(TINY)
    return place


def pairs(folder: Path, names: tuple[str, ...]) -> None:
    """A dataset with class maps, every class in some pair."""
    rows = {}
    for split, count in PAIRS.items():
        rows[split] = [row(number, names, split) for number in range(count)]
    store_rows(rows, pair_features(names, maps=True), names, folder)
    write_card(folder, license="mit")


def row(number: int, names: tuple[str, ...], split: str) -> dict:
    image, mask = picture(number, len(names))
    ids = [int(own) for own in np.unique(mask) if own]
    return {
        "image": Image.fromarray(image),
        "mask": Image.fromarray(mask),
        "id": f"{split}-{number:04d}",
        "prompt": "a photo",
        "classes": ids,
        "seed": number,
        "method": "daam",
        "model": "none",
        "quality": 0.5,
        MAPS: [Image.fromarray(255 * (mask == own).astype(np.uint8)) for own in ids],
    }


def picture(number: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 (SIDE, SIDE, 3) and mask uint8 (SIDE, SIDE): the background, and squares of two classes."""
    rng = np.random.default_rng(number)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for place in (0, 1):
        top, left = rng.integers(0, SIDE // 2, 2)
        mask[top : top + 12, left : left + 12] = 1 + (2 * number + place) % (classes - 1)
    return np.uint8(mask[..., None] * 25) + rng.integers(0, 20, (SIDE, SIDE, 3), np.uint8), mask


def hand_labelled(folder: Path, names: tuple[str, ...]) -> None:
    for split, count in PAIRS.items():
        for part in ("images", "masks"):
            (folder / split / part).mkdir(parents=True)
        for number in range(count):
            image, mask = picture(number, len(names))
            Image.fromarray(image).save(folder / split / "images" / f"{number:03d}.jpg")
            Image.fromarray(mask).save(folder / split / "masks" / f"{number:03d}.png")
    labels = ", ".join(f'"{number}": "{name}"' for number, name in enumerate(names))
    (folder / "id2label.json").write_text(f"{{{labels}}}")


def exported(place: Path, kind: str, names: tuple[str, ...], name: str) -> None:
    pairs(place / "exported", names)
    convert(str(place / "exported"), place / name, ExportOptions(kind))
    shutil.rmtree(place / "exported")


def photos(folder: Path) -> None:
    folder.mkdir()
    for number, kind in enumerate(("png", "png", "jpg")):
        Image.fromarray(picture(number, 3)[0]).save(folder / f"{number:03d}.{kind}")
