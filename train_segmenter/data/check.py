"""Finds wrong ids, missing files and differing sizes before training starts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from diffusers_attnmask.ground.ids import IGNORE_ID
from train_segmenter.data.base import Source

SHOWN = 10


def check_source(source: Source, threads: int = 4, progress: bool = True) -> None:
    """Reads every pair once; raises a ValueError that names the files and what is wrong with each."""
    if not len(source):
        raise ValueError("The data holds no pair.")
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(lambda index: fault(source, index), range(len(source)))
        bar = tqdm(answers, total=len(source), desc="checking data", disable=not progress, leave=False)
        faults = [answer for answer in bar if answer]
    if faults:
        more = f"\n… and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        listed = "\n".join(faults[:SHOWN])
        raise ValueError(f"{len(faults)} of {len(source)} pairs cannot be trained on:\n{listed}{more}")


def fault(source: Source, index: int) -> str | None:
    """What is wrong with one pair, or None."""
    try:
        sample = source[index]
    except (OSError, ValueError, KeyError) as error:
        return f"{source.name(index)}: {error}"
    if sample.image.shape[:2] != sample.mask.shape:
        (height, width), (mask_height, mask_width) = sample.image.shape[:2], sample.mask.shape
        return f"{sample.name}: the image is {width}×{height}, its mask {mask_width}×{mask_height}"
    present = np.flatnonzero(np.bincount(sample.mask.ravel(), minlength=256))
    wrong = [int(value) for value in present if value >= len(source.class_names) and value != IGNORE_ID]
    if wrong:
        last = len(source.class_names) - 1
        return f"{sample.name}: ids {wrong} (the classes are 0 to {last}; {IGNORE_ID} is ignored)"
    return None
