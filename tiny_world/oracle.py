"""The oracle: a small segmenter of the tiny world that judges generated pictures and their masks.

`python -m tiny_world.oracle` trains it from random weights on rendered images, made worse by blur, noise and
colour so that generated pictures do not confuse it, and puts it into the package.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from diffusers_attnmask.ground.ids import BACKGROUND
from tiny_world.rendered_pairs import SPLIT_SEEDS
from tiny_world.renderer import render
from tiny_world.scene import CLASSES, SIZE
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.data import Sample
from train_segmenter.evaluation import evaluate
from train_segmenter.models import Segmenter, create, load
from train_segmenter.training.loop import trained_model
from train_segmenter.training.options import TrainOptions

CLASS_NAMES = (BACKGROUND, *CLASSES)
MODEL = "smp:unet:tu-resnet10t"
SHAPE = {"encoder_depth": 4, "decoder_channels": (64, 32, 16, 16)}
FIRST_SEED = 500_000_000  # of the training split, far from the bundled model's training images
# Shapes are learned at half size, where an image costs a quarter, then at full size; contours last, on pixels
# that no resizing has moved.
COARSE = TrainOptions(
    steps=1500,
    batch_size=16,
    dtype="bf16",
    learning_rate=2e-3,
    weight_decay=1e-2,
    schedule="cosine",
    warmup=50,
    loss="ce+dice",
    ema=0.99,
    augmentation=Augmentation(
        crop=SIZE // 2, scale=(0.45, 0.6), largest_class=1.0, brightness=0.1, contrast=0.2, saturation=0.3,
        hue=0.03, blur=0.6, noise=0.03,
    ),
    save_every=100,
)  # fmt: skip
FINE = replace(
    COARSE,
    steps=500,
    batch_size=8,
    augmentation=replace(COARSE.augmentation, crop=SIZE, scale=(0.9, 1.2), blur=1.2, noise=0.06),
)
SHARP = replace(
    FINE,
    learning_rate=1e-3,
    augmentation=replace(FINE.augmentation, scale=(1.0, 1.0), blur=0.6, noise=0.04),
)
STAGES = {"coarse": COARSE, "fine": FINE, "sharp": SHARP}


@dataclass(frozen=True)
class Renders:
    """Pairs in ids of the world, kept in memory."""

    images: Sequence[np.ndarray]  # N times uint8 (H, W, 3)
    masks: Sequence[np.ndarray]  # N times uint8 (H, W)
    class_names: tuple[str, ...] = CLASS_NAMES

    @classmethod
    def draw(cls, count: int, split: str = "train", start: int = 0) -> Renders:
        """`count` pairs of a split from its `start`-th on."""
        rendered = [render(seed) for seed in SPLIT_SEEDS[split][start : start + count]]
        return cls([image for image, *_ in rendered], [mask for _, mask, *_ in rendered])

    def __len__(self) -> int:
        return len(self.masks)

    def name(self, index: int) -> str:
        return f"render {index}"

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.images[index], self.masks[index], self.name(index))


def new_model() -> Segmenter:
    torch.manual_seed(COARSE.seed)
    return create(MODEL, CLASS_NAMES, pretrained="none", **SHAPE)


def train_oracle(work: Path, out: Path, pairs: int, stages: Mapping[str, TrainOptions]) -> Path:
    """Trains in `work`, going on where it was interrupted, and writes the half-precision model to `out`."""
    source = Renders.draw(pairs, start=FIRST_SEED)
    start = new_model
    for name, options in stages.items():
        start = partial(trained_model, start, source, options, work / name, cpu=True)
    model = start()
    model.network.half()
    model.save_pretrained(out)
    return out


def main() -> None:
    from diffusers_attnmask.bundled import BUNDLED, write_checksums

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        help="folder of checkpoints; an interrupted training goes on from it",
    )
    parser.add_argument("--pairs", type=int, default=4000, help="rendered training pairs")
    parser.add_argument("--held-out", type=int, default=500, help="rendered test pairs")
    arguments = parser.parse_args()
    out = train_oracle(arguments.work, BUNDLED / "oracle", arguments.pairs, STAGES)
    print(evaluate(load(out), Renders.draw(arguments.held_out, "test")).table())
    write_checksums()


if __name__ == "__main__":
    main()
