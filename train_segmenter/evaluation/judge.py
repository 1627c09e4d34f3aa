"""Runs a segmenter over a source and counts."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from diffusers_attnmask.ground.bars import moving_bar
from train_segmenter.augmentation.transforms import to_tensor
from train_segmenter.data.base import Sample, Source
from train_segmenter.data.reading import read_ahead
from train_segmenter.evaluation.boundary import boundary_counts
from train_segmenter.evaluation.inference import Inference
from train_segmenter.evaluation.objects import ObjectTally
from train_segmenter.evaluation.scores import Report, Worst
from train_segmenter.mean_iou import JointHistogram, scores
from train_segmenter.models.base import Segmenter
from train_segmenter.models.object_queries import FoundObjects, FoundSegments

AHEAD = 2  # batches that are read while one is predicted


@dataclass(frozen=True)
class Share:
    """The images of one process: every `processes`-th from `process` on."""

    process: int = 0
    processes: int = 1


def evaluate(
    model: Segmenter,
    source: Source,
    inference: Inference | None = None,
    *,
    batch_size: int = 8,
    boundary: bool = False,
    worst: int = 0,
    unseen: tuple[str, ...] | None = None,
    share: Share | None = None,
    objects: bool = False,
    progress: bool = True,
) -> Report:
    """Scores of the model on a source in its own vocabulary; the model keeps its mode and device.

    `share` leaves the images of the other processes out; `merge` puts the reports of all together. objects:
    judge, too, how a model that tells objects apart does so, on data that do.
    """
    if tuple(source.class_names) != tuple(model.class_names):
        raise ValueError(
            f"The model knows {', '.join(model.class_names)}; the data has {', '.join(source.class_names)}. "
            "Map the data's classes first (--others, --group)."
        )
    share = share or Share()
    indices = range(share.process, len(source), share.processes)
    count = len(model.class_names)
    histogram = JointHistogram()
    edges = np.zeros((2, count), dtype=np.int64) if boundary else None
    poor: list[tuple[float, int, str]] = []  # a heap with the best of the worst on top
    tally = ObjectTally(model.class_names, model.spec.task) if objects else None
    moving = moving_bar("evaluating", len(indices), shown=progress, passing=True)
    for batch in _batches(source, indices, batch_size):
        predictions = _predict(model, [sample for _, sample in batch], inference or Inference())
        if tally is not None:
            for (_, sample), found in zip(batch, _objects(model, batch), strict=True):
                tally.add(*found, sample)
        for (index, sample), prediction in zip(batch, predictions, strict=True):
            histogram.add(prediction, sample.mask)
            if edges is not None:
                edges += boundary_counts(prediction, sample.mask, count)
            if worst:
                entry = (-image_iou(prediction, sample.mask, count), -index, sample.name)
                (heapq.heappush if len(poor) < worst else heapq.heappushpop)(poor, entry)
        moving.update(len(batch))
    moving.close()
    ranked = tuple(Worst(-index, name, -iou) for iou, index, name in sorted(poor, reverse=True))
    told = None if tally is None else tally.scores()
    return Report(model.class_names, histogram.confusion(count), len(indices), edges, ranked, unseen, told)


def image_iou(prediction: np.ndarray, reference: np.ndarray, classes: int) -> float:
    """Mean IoU of one image over the classes in its reference; 1 where nothing is to be judged."""
    histogram = JointHistogram()
    histogram.add(prediction, reference)
    confusion = histogram.confusion(classes)
    present = confusion[:-1].sum(axis=1) > 0
    return float(scores(confusion)["per_category_iou"][present].mean()) if present.any() else 1.0


def merge(reports: list[Report]) -> Report:
    """One report over the images of several processes."""
    first = reports[0]
    worst = sorted(
        (entry for report in reports for entry in report.worst),
        key=lambda entry: (entry.mean_iou, entry.index),
    )
    edges = [report.boundary for report in reports if report.boundary is not None]
    return Report(
        first.class_names,
        np.sum([report.confusion for report in reports], axis=0),
        sum(report.images for report in reports),
        np.sum(edges, axis=0) if edges else None,
        tuple(worst[: max(len(report.worst) for report in reports)]),
        first.unseen,
    )


def _batches(source: Source, indices: range, size: int) -> Iterator[list[tuple[int, Sample]]]:
    """Neighbours of equal size together, so that they go through the network at once."""
    batch: list[tuple[int, Sample]] = []
    for index, sample in zip(indices, read_ahead(source, indices, AHEAD * size), strict=True):
        if batch and (len(batch) == size or batch[0][1].image.shape != sample.image.shape):
            yield batch
            batch = []
        batch.append((index, sample))
    if batch:
        yield batch


def _objects(model: Segmenter, batch: list[tuple[int, Sample]]) -> list[tuple[FoundObjects, FoundSegments]]:
    """What the model finds in each image as a whole."""
    was_training = model.training
    try:
        return model.eval().objects(_images(model, [sample for _, sample in batch]))
    finally:
        model.train(was_training)


def _images(model: Segmenter, samples: list[Sample]) -> torch.Tensor:
    return torch.stack([to_tensor(sample.image) for sample in samples]).to(model.mean.device)


def _predict(model: Segmenter, samples: list[Sample], inference: Inference) -> np.ndarray:
    """Class ids uint8 (B, H, W)."""
    images = _images(model, samples)
    return inference.probabilities(model, images).argmax(dim=1).to(torch.uint8).cpu().numpy()
