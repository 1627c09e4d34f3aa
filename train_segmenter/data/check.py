"""Finds wrong ids, missing files and differing sizes before training starts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from train_segmenter.data.base import Source, fault

SHOWN = 10


def check_source(source: Source, threads: int = 4, progress: bool = True) -> None:
    """Reads every pair once; raises a ValueError that names the files and what is wrong with each."""
    if not len(source):
        raise ValueError("The data holds no pair.")
    with ThreadPoolExecutor(threads) as pool:
        answers = pool.map(lambda index: fault_of(source, index), range(len(source)))
        bar = tqdm(answers, total=len(source), desc="checking data", disable=not progress, leave=False)
        faults = [answer for answer in bar if answer]
    if faults:
        more = f"\n… and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        listed = "\n".join(faults[:SHOWN])
        raise ValueError(f"{len(faults)} of {len(source)} pairs cannot be used:\n{listed}{more}")


def fault_of(source: Source, index: int) -> str | None:
    """What is wrong with one pair, or None; its name or its file comes first."""
    name = source.name(index)
    try:
        sample = source[index]
    except (OSError, ValueError, KeyError) as error:
        return str(error) if name in str(error) else f"{name}: {error}"
    wrong = fault(sample.image.shape[:2], sample.mask, len(source.class_names))
    return f"{name}: {wrong}" if wrong else None
