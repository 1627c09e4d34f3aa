"""How long a dense CRF takes against pydensecrf, on 512 x 512 photographs, in turns.

    python -m benchmarks.crf_speed --repeats 5 --json crf_speed.json

Two tasks: one two-label CRF; and the threshold search of DiffuMask, 20 candidate label maps of one image. For
the search, the published way builds one 21-label CRF per candidate; ours carries the present labels of all
candidates on one lattice. Each repeat runs both on the same image, one after the other; the table gives
medians, of the repeats' ratios too. `--clock cpu` counts processor seconds, for a busy machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import skimage
import torch
import typer
from PIL import Image
from pydensecrf.densecrf import DenseCRF2D
from pydensecrf.utils import unary_from_labels
from scipy.ndimage import gaussian_filter

from benchmarks.report import JsonOption, report
from dataset_builder import dense_crf
from dataset_builder.refinement.crf import FINAL, crf_labels

SIDE = 512
PHOTOGRAPHS = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "retina.jpg")
THRESHOLDS = np.linspace(0.35, 0.54, 20)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each task, over the photographs in turn.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads for torch; pydensecrf always has one.")] = 2,
    clock: Annotated[str, typer.Option(help="wall or cpu")] = "wall",
    json: JsonOption = None,
) -> None:
    torch.set_num_threads(threads)
    now = CLOCKS[clock]
    tasks = {
        "one two-label CRF": (two_labels, two_labels_reference),
        "20 candidates": (search, search_reference),
    }
    problems = [(image, soft_map(image)) for image in map(photograph, PHOTOGRAPHS)]
    two_labels(*problems[0])  # not timed: torch's first call
    rows = []
    for name, (ours, theirs) in tasks.items():
        runs = [compare(ours, theirs, *problems[i % len(problems)], now) for i in range(repeats)]
        seconds, reference, agreement = (list(column) for column in zip(*runs, strict=True))
        rows.append(
            {
                "task": name,
                "seconds": statistics.median(seconds),
                "pydensecrf seconds": statistics.median(reference),
                "times faster": statistics.median(b / a for a, b in zip(seconds, reference, strict=True)),
                "least agreement of labels": min(agreement),
            }
        )
    report("Dense CRF speed", rows, {"repeats": repeats, "threads": threads, "clock": clock}, json)


def compare(ours: Callable, theirs: Callable, image: np.ndarray, score: np.ndarray, now: Callable) -> tuple:
    start = now()
    labels = ours(image, score)
    middle = now()
    expected = theirs(image, score)
    return middle - start, now() - middle, float((labels == expected).mean())


def photograph(name: str) -> np.ndarray:
    picture = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    return np.array(picture.resize((SIDE, SIDE)))


def soft_map(image: np.ndarray) -> np.ndarray:
    """A smooth map (H, W) from 0 to 1 that follows the image roughly, as a class map does."""
    grey = gaussian_filter(image.mean(-1), 12)
    return ((grey - grey.min()) / (grey.max() - grey.min())).astype(np.float32)


def two_labels(image: np.ndarray, score: np.ndarray) -> np.ndarray:
    return dense_crf(image, np.stack([1 - score, score])).argmax(0)


def two_labels_reference(image: np.ndarray, score: np.ndarray) -> np.ndarray:
    probs = np.clip(np.stack([1 - score, score]), 1e-5, 1)
    return published_crf(image, -np.log(probs).reshape(2, -1)).argmax(0).reshape(score.shape)


def search(image: np.ndarray, score: np.ndarray) -> np.ndarray:
    candidates = torch.from_numpy((score > THRESHOLDS[:, None, None]).astype(np.int64))
    return crf_labels(image, candidates, FINAL).numpy()


def search_reference(image: np.ndarray, score: np.ndarray) -> np.ndarray:
    labels = []
    for threshold in THRESHOLDS:
        unary = unary_from_labels((score > threshold).astype(np.int64), 21, FINAL.gt_prob, zero_unsure=False)
        labels.append(published_crf(image, unary).argmax(0).reshape(score.shape))
    return np.stack(labels)


def published_crf(image: np.ndarray, unary: np.ndarray) -> np.ndarray:
    crf = DenseCRF2D(SIDE, SIDE, len(unary))
    crf.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
    crf.addPairwiseGaussian(*FINAL.gaussian)
    sxy, srgb, compat = FINAL.bilateral
    crf.addPairwiseBilateral(sxy, srgb, image, compat)
    return np.array(crf.inference(FINAL.iterations))


if __name__ == "__main__":
    typer.run(main)
