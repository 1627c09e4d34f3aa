"""Rendered pairs as a ``datasets.Dataset`` with the project's columns."""

from __future__ import annotations

from collections.abc import Iterator

import datasets
from PIL import Image

from diffusers_attnmask.ground.ids import BACKGROUND
from tiny_world.renderer import render
from tiny_world.scene import CLASSES

# Each split owns a range of seeds; the bundled model's training images come from the first one.
SPLIT_SEEDS = {
    "train": range(10**9),
    "validation": range(10**9, 2 * 10**9),
    "test": range(2 * 10**9, 3 * 10**9),
}


def dataset(n: int, split: str = "train", start: int = 0) -> datasets.Dataset:
    """``n`` rendered pairs of a split, from its ``start``-th on, in the columns of a built dataset.

    >>> pair = dataset(1, "test")[0]
    >>> pair["image"].size, pair["mask"].mode, pair["method"]
    ((128, 128), 'L', 'exact')
    """
    from diffusers_attnmask.ground.columns import pair_features

    if split not in SPLIT_SEEDS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLIT_SEEDS)}")
    seeds = SPLIT_SEEDS[split][start : start + n]
    if n < 1 or len(seeds) < n:
        raise ValueError(f"n={n} pairs from {start} on: a split holds 1 to {len(SPLIT_SEEDS[split]):,} pairs")
    return datasets.Dataset.from_generator(
        _pairs,
        features=pair_features((BACKGROUND, *CLASSES)),
        gen_kwargs={"seeds": list(seeds), "split": split},
        split=split,
        keep_in_memory=False,
    )


def _pairs(seeds: list[int], split: str) -> Iterator[dict]:
    for seed in seeds:
        image, mask, caption, names = render(seed)
        yield {
            "image": Image.fromarray(image),
            "mask": Image.fromarray(mask),
            "id": f"{split}-{seed - SPLIT_SEEDS[split].start:06d}",
            "prompt": caption,
            "classes": names,
            "seed": seed,
            "method": "exact",
            "model": "tiny_world",
            "quality": 1.0,
        }
