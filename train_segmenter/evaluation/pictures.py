"""What an evaluation looks like: a bar for each class, the images that went worst, and the first few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.atomic_files import files_below, replacing, replacing_folder
from diffusers_attnmask.ground.drawing import contact_sheet, overlay
from diffusers_attnmask.ground.pictures import write_picture
from train_segmenter.data.base import Sample, Source
from train_segmenter.evaluation.inference import Inference
from train_segmenter.evaluation.scores import Report
from train_segmenter.models.base import Segmenter


def class_chart(report: Report, path: Path) -> Path:
    """Bars of the IoU of each class, the mean as a line."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("The chart needs matplotlib: pip install diffusers-attnmask[viz]") from None
    figure = Figure(figsize=(8, 1 + 0.3 * len(report.class_names)), layout="constrained")
    axes = figure.subplots()
    values = np.nan_to_num(report.iou)
    axes.barh(report.class_names, values, color="#3b75af")
    for row, (value, absent) in enumerate(zip(values, np.isnan(report.iou), strict=True)):
        axes.text(value + 0.01, row, "absent" if absent else f"{value:.3f}", va="center", fontsize=8)
    axes.axvline(report.mean_iou, color="#b03a2e", linewidth=1, label=f"mean {report.mean_iou:.3f}")
    axes.set(xlim=(0, 1.1), xlabel="IoU")
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path


def worst_pictures(
    report: Report, model: Segmenter, source: Source, inference: Inference, folder: Path
) -> list[Path]:
    """For each of the report's worst images: the image, its reference and the prediction, side by side."""
    with replacing_folder(folder) as partial:
        for rank, entry in enumerate(report.worst):
            row = _side_by_side(model, source[entry.index], inference)
            captions = ["image", "reference", f"IoU {entry.mean_iou:.3f}"]
            sheet = contact_sheet(row, columns=3, captions=captions)
            write_picture(sheet, partial / f"{rank:02d}-{Path(entry.name).stem}.png")
    return files_below(folder)


def validation_sheet(model: Segmenter, source: Source, count: int, path: Path) -> Path:
    """One sheet of the first `count` pairs, each with its image, reference and prediction in a line."""
    rows = [_side_by_side(model, source[index], Inference()) for index in range(min(count, len(source)))]
    sheet = contact_sheet(
        [picture for row in rows for picture in row],
        columns=3,
        captions=["image", "reference", "prediction"] * len(rows),
    )
    write_picture(sheet, path)
    return path


def _side_by_side(model: Segmenter, sample: Sample, inference: Inference) -> list[Image.Image]:
    """The image, its reference and the prediction."""
    image = Image.fromarray(sample.image)
    masks = (sample.mask, inference.mask(model, sample.image))
    return [image, *(overlay(image, ids, model.class_names, legend=False) for ids in masks)]
