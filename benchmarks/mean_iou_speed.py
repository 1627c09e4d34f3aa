"""How much faster the streaming mean IoU is than the public one, with equal numbers.

    python -m benchmarks.mean_iou_speed --json mean_iou_speed.json

16 random maps of 512 × 512 pixels and 21 classes. `public, through evaluate` keeps every map as a PNG in an
Arrow file and reads it back, then takes three histograms of each, as the public module does; `public,
counting alone` leaves the keeping out. `torchmetrics` sums one confusion matrix, as ours does. Runs are
interleaved; the table gives medians, and the difference from `public, counting alone`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import datasets
import evaluate
import numpy as np
import torch
import typer
from torchmetrics import JaccardIndex

import train_segmenter.mean_iou as streaming
from benchmarks.report import JsonOption, report

FOLDER = Path(streaming.__file__).parent
DTYPES = ("uint8", "int64")


def histogram_scores(predictions, references, num_labels: int, ignore_index: int) -> np.ndarray:
    """IoU (num_labels,) by the public definition: histograms of hits, predictions and references."""
    areas = np.zeros((3, num_labels))
    for prediction, reference in zip(predictions, references, strict=True):
        prediction, reference = np.array(prediction), np.array(reference)
        counted = np.not_equal(reference, ignore_index)
        prediction, reference = prediction[counted], reference[counted]
        for area, values in zip(
            areas, (prediction[prediction == reference], prediction, reference), strict=True
        ):
            area += np.histogram(values, bins=num_labels, range=(0, num_labels - 1))[0]
    hits, predicted, present = areas
    return hits / (predicted + present - hits)


def jaccard(predictions, references, num_labels: int, ignore_index: int) -> np.ndarray:
    """IoU (num_labels,) by torchmetrics, which takes int64."""
    metric = JaccardIndex("multiclass", num_classes=num_labels, ignore_index=ignore_index, average="none")
    for maps in zip(predictions, references, strict=True):
        metric.update(*(torch.from_numpy(own.astype(np.int64)) for own in maps))
    return metric.compute().numpy()


class StoredMeanIoU(evaluate.Metric):
    """The public module's way: maps are image features, decoded again when the scores are asked for."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Image(), "references": datasets.Image()})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references, num_labels: int, ignore_index: int) -> dict:
        return {"per_category_iou": histogram_scores(predictions, references, num_labels, ignore_index)}


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
        seconds, results = timed(arms, repeats)
    reference = results["public, counting alone"]
    return {
        name: {
            "ms": 1000 * seconds[name],
            "× streaming": seconds[name] / seconds["streaming"],
            "greatest difference": float(np.abs(results[name] - reference).max()),
        }
        for name in arms
    }


def timed(arms: dict[str, Callable[[], np.ndarray]], repeats: int) -> tuple[dict, dict]:
    """Median seconds and result of each arm; the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    results = {}
    for turn in range(repeats + 1):
        for name, arm in arms.items():
            start = time.perf_counter()
            results[name] = arm()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}, results


if __name__ == "__main__":
    typer.run(main)
