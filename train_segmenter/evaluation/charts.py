"""Charts of an evaluation and of a training: a bar for each class, the confusion matrix, the curves."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffusers_attnmask.ground.atomic_files import replacing
from train_segmenter.evaluation.scores import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHART, CONFUSION, CURVES = "iou.png", "confusion.png", "curves.png"
NUMBERED = 24  # classes up to which the cells of a confusion matrix have their numbers written in
READ, MISSED = "#3b75af", "#b03a2e"


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def check_drawable() -> None:
    """Refuse charts that nothing could draw, before the work that they would show."""
    if not can_draw():
        raise ValueError("The charts need matplotlib: pip install 'diffusers-attnmask[viz]'")


def write_charts(report: Report, folder: Path) -> None:
    """`iou.png` and `confusion.png` of a report."""
    class_chart(report, folder / CHART)
    confusion_chart(report, folder / CONFUSION)


def class_chart(report: Report, path: Path) -> Path:
    """Bars of the IoU of each class, the mean as a line."""
    figure = _figure(8, 1 + 0.3 * len(report.class_names))
    axes = figure.subplots()
    values = np.nan_to_num(report.iou)
    axes.barh(report.class_names, values, color=READ)
    for row, (value, absent) in enumerate(zip(values, np.isnan(report.iou), strict=True)):
        told, inside = "absent" if absent else f"{value:.3f}", value > 0.85  # where there is room
        axes.annotate(
            told, (value, row), (-4 if inside else 4, 0), textcoords="offset points", va="center", fontsize=8,
            ha="right" if inside else "left", color="white" if inside else "black",
        )  # fmt: skip
    axes.axvline(report.mean_iou, color=MISSED, linewidth=1, label=f"mean {report.mean_iou:.3f}")
    axes.set(xlim=(0, 1), xlabel="IoU")
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    return _written(figure, path)


def confusion_chart(report: Report, path: Path) -> Path:
    """What became of the pixels of each class: rows are references and add up to 1, columns are predictions.

    A class that no reference shows has an empty row. Predictions of other ids stand in no column.
    """
    names, counts = report.class_names, report.confusion[:-1]
    pixels = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, pixels, out=np.full(counts.shape, np.nan), where=pixels > 0)[:, : len(names)]
    side = 2.5 + 0.45 * min(len(names), 2 * NUMBERED)
    figure = _figure(side + 1, side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1)
    size = 8 if len(names) <= NUMBERED else 4
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set(xlabel="predicted", ylabel="reference")
    if len(names) <= NUMBERED:
        for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
            share = shares[row, column]
            axes.text(
                column, row, f"{share:.2f}", ha="center", va="center", fontsize=7,
                color="black" if share > 0.6 else "white",
            )  # fmt: skip
    figure.colorbar(image, ax=axes, label="share of the reference's pixels", shrink=0.8)
    return _written(figure, path)


def training_curves(log: Sequence[dict[str, float]], path: Path) -> Path:
    """The loss by step, and the mean IoU of the validations where there were any; both axes begin at 0."""
    losses = [(line["step"], line["loss"]) for line in log if "loss" in line]
    judged = [(line["step"], line["mean_iou"]) for line in log if "mean_iou" in line]
    figure = _figure(8, 4)
    axes = figure.subplots()
    axes.plot(*zip(*losses, strict=True), color=READ, label="loss")
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None), xlim=(0, losses[-1][0]))
    lines = [*axes.get_lines()]
    if judged:
        beside = axes.twinx()
        lines += beside.plot(
            *zip(*judged, strict=True), color=MISSED, marker="o", markersize=3, label="mean IoU"
        )
        beside.set(ylabel="mean IoU", ylim=(0, 1))
    axes.legend(handles=lines, loc="upper center", ncols=2)
    return _written(figure, path)


def _figure(width: float, height: float) -> Figure:
    check_drawable()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _written(figure: Figure, path: Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path
