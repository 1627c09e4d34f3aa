"""How much faster the streaming mean IoU is than the public one, with equal numbers.

    python -m benchmarks.mean_iou_speed --json mean_iou_speed.json

16 random maps of 512 × 512 pixels and 21 classes. `public, through evaluate` keeps every map as a PNG in an
Arrow file and reads it back, then takes three histograms of each, as the public module does; `public,
counting alone` leaves the keeping out. `torchmetrics` sums one confusion matrix, as ours does. Runs are
interleaved; the table gives medians, and the difference from `public, counting alone`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import evaluate
import numpy as np
import typer

import train_segmenter.mean_iou as streaming
from benchmarks.report import JsonOption, report
from benchmarks.timing.public_mean_iou import StoredMeanIoU, histogram_scores, jaccard
from benchmarks.timing.turns import Turns

FOLDER = Path(streaming.__file__).parent
DTYPES = ("uint8", "int64")


def main(
    images: int = 16,
    size: int = 512,
    classes: int = 21,
    repeats: int = 5,
    dtype: Annotated[list[str] | None, typer.Option(help="uint8 or int64; by default both")] = None,
    json: JsonOption = None,
) -> None:
    rows: dict[str, dict[str, object]] = {}
    for own in dtype or DTYPES:
        maps = np.random.default_rng(0).integers(0, classes, (2, images, size, size)).astype(own)
        for name, columns in compared(*maps, classes, repeats).items():
            rows.setdefault(name, {"metric": name}).update(
                {f"{title}, {own}": value for title, value in columns.items()}
            )
    settings = {"images": images, "size": size, "classes": classes, "repeats": repeats}
    report(
        f"mean IoU of {images} maps of {size} × {size}, {classes} classes",
        list(rows.values()),
        settings,
        json,
    )


def compared(
    predictions: np.ndarray, references: np.ndarray, classes: int, repeats: int
) -> dict[str, dict[str, object]]:
    """The columns of each way, by its name."""
    options = {"num_labels": classes, "ignore_index": 255}
    with tempfile.TemporaryDirectory() as cache:
        stored = StoredMeanIoU(cache_dir=cache)
        ours = evaluate.load(str(FOLDER), cache_dir=cache)
        arms: dict[str, Callable[[], np.ndarray]] = {
            "public, through evaluate": lambda: stored.compute(
                predictions=list(predictions), references=list(references), **options
            )["per_category_iou"],
            "public, counting alone": lambda: histogram_scores(predictions, references, **options),
            "torchmetrics": lambda: jaccard(predictions, references, **options),
            "streaming": lambda: ours.compute(predictions=predictions, references=references, **options)[
                "per_category_iou"
            ],
        }
        results = Turns().take(arms)  # not timed: it warms up
        turns = Turns()
        for _ in range(repeats):
            turns.take(arms)
    reference = results["public, counting alone"]
    return {
        name: {
            "ms": 1000 * turns.median(name),
            "× streaming": turns.median(name) / turns.median("streaming"),
            "greatest difference": float(np.abs(results[name] - reference).max()),
        }
        for name in arms
    }


if __name__ == "__main__":
    typer.run(main)
