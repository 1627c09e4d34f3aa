"""Mean IoU in the ways of others: the public module's, which keeps all maps, and that of torchmetrics."""

from __future__ import annotations

import datasets
import evaluate
import numpy as np
import torch
from torchmetrics import JaccardIndex


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
