"""What an evaluation found, as numbers, JSON and a table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from train_segmenter.evaluation.objects import ObjectScores
from train_segmenter.evaluation.open_vocabulary import split_scores
from train_segmenter.mean_iou import scores


@dataclass(frozen=True)
class Worst:
    """One of the images with the least mean IoU over the classes in its reference."""

    index: int
    name: str
    mean_iou: float


@dataclass(frozen=True)
class Report:
    """Scores over all images.

    confusion: int64 (K + 1, K + 1), rows references, columns predictions, the last of each for other ids;
    boundary: int64 (2, K) intersections and unions of boundary regions, or None where not asked for. objects:
    how well objects are told apart, by a model that does so on data that do.
    """

    class_names: tuple[str, ...]
    confusion: np.ndarray
    images: int
    boundary: np.ndarray | None = None
    worst: tuple[Worst, ...] = field(default=())
    unseen: tuple[str, ...] | None = None
    objects: ObjectScores | None = None

    @property
    def iou(self) -> np.ndarray:
        """IoU (K,) of each class, NaN where it is in no reference and no prediction."""
        return scores(self.confusion)["per_category_iou"]

    @property
    def mean_iou(self) -> float:
        return float(scores(self.confusion)["mean_iou"])

    @property
    def boundary_iou(self) -> np.ndarray | None:
        """Boundary IoU (K,), or None."""
        if self.boundary is None:
            return None
        with np.errstate(invalid="ignore"):
            return self.boundary[0] / self.boundary[1]

    def to_dict(self) -> dict:
        """Plain values for JSON; NaN becomes None."""
        values = scores(self.confusion)
        result = {
            "images": self.images,
            "mean_iou": values["mean_iou"],
            "mean_accuracy": values["mean_accuracy"],
            "overall_accuracy": values["overall_accuracy"],
            "iou": self._by_name(values["per_category_iou"]),
            "accuracy": self._by_name(values["per_category_accuracy"]),
        }
        if (edges := self.boundary_iou) is not None:
            present = edges[~np.isnan(edges)]
            result["mean_boundary_iou"] = present.mean() if present.size else float("nan")
            result["boundary_iou"] = self._by_name(edges)
        if self.unseen is not None:
            result["open_vocabulary"] = split_scores(self.class_names, self.iou, self.unseen)
        if self.objects is not None:
            result["objects"] = self.objects.to_dict()
        result["confusion"] = self.confusion[:-1, :-1].tolist()
        result["worst"] = [vars(entry) for entry in self.worst]
        return _plain(result)

    def table(self) -> str:
        """Aligned text: a line for each class, then the means."""
        values = self.to_dict()
        columns = [("IoU", values["iou"]), ("accuracy", values["accuracy"])]
        if self.boundary is not None:
            columns.append(("boundary IoU", values["boundary_iou"]))
        width = max(len(name) for name in (*self.class_names, "mean"))
        lines = [" ".join([" " * width, *(f"{title:>12}" for title, _ in columns)])]
        for name in self.class_names:
            lines.append(" ".join([name.ljust(width), *(_cell(column[name]) for _, column in columns)]))
        means = [values["mean_iou"], values["mean_accuracy"], values.get("mean_boundary_iou")][: len(columns)]
        lines.append(" ".join(["mean".ljust(width), *map(_cell, means)]))
        lines.append(
            f"overall accuracy {_cell(values['overall_accuracy']).strip()} over {self.images} images"
        )
        if "open_vocabulary" in values:
            split = ", ".join(
                f"{name} {_cell(value).strip()}" for name, value in values["open_vocabulary"].items()
            )
            lines.append(f"open vocabulary: {split}")
        if self.objects is not None:
            lines.append(self.objects.line())
        return "\n".join(lines)

    def _by_name(self, values: np.ndarray) -> dict[str, float]:
        return dict(zip(self.class_names, map(float, values), strict=True))


def _cell(value: float | None) -> str:
    return f"{'absent' if value is None else f'{value:.4f}':>12}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    return value
