"""A world of coloured squares, quick to draw and quick to learn, as a data source and as files."""

from __future__ import annotations

from dataclasses import dataclass

import datasets
import numpy as np
import torch
from PIL import Image

from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.data import Sample
from train_segmenter.models import Segmenter, create
from train_segmenter.training.options import TrainOptions

SMALL_MODEL = "smp:unet:tu-mobilenetv3_small_050"
SMALL_SIZES = {"encoder_depth": 3, "decoder_channels": (16, 8, 8)}
SMALL_MASK2FORMER = {
    "feature_size": 32,
    "mask_feature_size": 32,
    "hidden_dim": 32,
    "encoder_feedforward_dim": 32,
    "dim_feedforward": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_attention_heads": 2,
    "num_queries": 6,
    "train_num_points": 64,
}
SMALL_TRAINING = TrainOptions(
    steps=6,
    batch_size=2,
    learning_rate=3e-3,
    log_every=1,
    save_every=3,
    evaluate_every=3,
    ema=0.9,
    augmentation=Augmentation(crop=32, scale=(0.8, 1.2), largest_class=1.0),
)
NAMES = ("background", "red", "blue")
COLOURS = np.array([(90, 90, 90), (220, 30, 30), (30, 30, 220)], np.uint8)


def draw(seed: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 (size, size, 3) and mask uint8 (size, size) with a square of each class."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((size, size), np.uint8)
    for label in (1, 2):
        top, left = rng.integers(0, size - size // 3, 2)
        mask[top : top + size // 3, left : left + size // 3] = label
    noise = rng.integers(0, 30, (size, size, 3), dtype=np.uint8)
    return COLOURS[mask] + noise, mask


@dataclass(frozen=True)
class Squares:
    count: int
    start: int = 0
    size: int = 32
    class_names: tuple[str, ...] = NAMES

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"square {index}"

    def __getitem__(self, index: int) -> Sample:
        return Sample(*draw(self.start + index, self.size), self.name(index))


def write_folder(root, count: int = 4, size: int = 32, names=NAMES):
    """`images/`, `masks/` and `classes.txt`."""
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for index in range(count):
        image, mask = draw(index, size)
        Image.fromarray(image).save(root / "images" / f"{index}.png")
        Image.fromarray(mask).save(root / "masks" / f"{index}.png")
    (root / "classes.txt").write_text("\n".join(names))
    return root


def small_model(class_names=NAMES, **options) -> Segmenter:
    """A segmenter of a few ten thousand weights, always the same."""
    torch.manual_seed(0)
    return create(SMALL_MODEL, tuple(class_names), "none", **SMALL_SIZES, **options)


def small_mask2former() -> Segmenter:
    return create("mask2former:resnet10t", NAMES, "none", **SMALL_MASK2FORMER)


def labelled(names, pairs, mask_column="mask"):
    """A dataset of masks (1, 4) under class labels that name no background."""
    features = datasets.Features(
        {
            "image": datasets.Image(),
            mask_column: datasets.Image(),
            "classes": datasets.List(datasets.ClassLabel(names=names)),
        }
    )
    image = Image.new("RGB", (4, 1))
    rows = [
        {"image": image, mask_column: Image.fromarray(np.array([ids], np.uint8)), "classes": classes}
        for ids, classes in pairs
    ]
    return datasets.Dataset.from_list(rows, features=features)
