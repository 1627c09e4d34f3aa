"""Rendered images and captions in memory, drawn by a pool of processes."""

from __future__ import annotations

from multiprocessing import get_context

import numpy as np

from tiny_world.renderer import render


def _image_and_caption(seed: int) -> tuple[np.ndarray, str]:
    image, _, caption, _ = render(seed)
    return image, caption


def rendered(count: int, first_seed: int = 0, workers: int = 2) -> tuple[np.ndarray, list[str]]:
    """Images uint8 (count, 128, 128, 3) and their captions, for the seeds from ``first_seed`` on."""
    seeds = range(first_seed, first_seed + count)
    with get_context("spawn").Pool(workers) as pool:
        pairs = pool.map(_image_and_caption, seeds, chunksize=64)
    return np.stack([image for image, _ in pairs]), [caption for _, caption in pairs]
