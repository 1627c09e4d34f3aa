"""How long a dense CRF takes against pydensecrf, on 512 x 512 photographs, in turns.

    python -m benchmarks.crf_speed --repeats 5 --json crf_speed.json

Two tasks: one two-label CRF; and the threshold search of DiffuMask, 20 candidate label maps of one image. For
the search, the published way builds one 21-label CRF per candidate; ours carries the present labels of all
candidates on one lattice. Each repeat runs both on the same image, one after the other; the table gives
medians, of the repeats' ratios too. `--clock cpu` counts processor seconds, for a busy machine.
"""

from __future__ import annotations

from functools import partial
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
from benchmarks.timing.turns import ClockOption, Turns
from dataset_builder import dense_crf
from dataset_builder.refinement.crf import FINAL, crf_labels

SIDE = 512
PHOTOGRAPHS = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "retina.jpg")
THRESHOLDS = np.linspace(0.35, 0.54, 20)


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each task, over the photographs in turn.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads for torch; pydensecrf always has one.")] = 2,
    clock: ClockOption = "wall",
    json: JsonOption = None,
) -> None:
    torch.set_num_threads(threads)
    tasks = {
        "one two-label CRF": (two_labels, two_labels_reference),
        "20 candidates": (search, search_reference),
    }
    problems = [(image, soft_map(image)) for image in map(photograph, PHOTOGRAPHS)]
    two_labels(*problems[0])  # not timed: torch's first call
    rows = []
    for name, ways in tasks.items():
        turns, agreement = Turns(clock), []
        for repeat in range(repeats):
            ours, theirs = (partial(way, *problems[repeat % len(problems)]) for way in ways)
            labels = turns.take({"ours": ours, "theirs": theirs})
            agreement.append(float((labels["ours"] == labels["theirs"]).mean()))
        rows.append(
            {
                "task": name,
                "seconds": turns.median("ours"),
                "pydensecrf seconds": turns.median("theirs"),
                "times faster": turns.ratio("theirs", "ours"),
                "least agreement of labels": min(agreement),
            }
        )
    report("Dense CRF speed", rows, {"repeats": repeats, "threads": threads, "clock": clock}, json)


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
