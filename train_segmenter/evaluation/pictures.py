"""What an evaluation looks like: the images that went worst, and the first few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.atomic_files import files_below, replacing_folder
from diffusers_attnmask.ground.drawing import contact_sheet, overlay
from diffusers_attnmask.ground.legend import entries_of
from diffusers_attnmask.ground.palette import SAFE_PALETTE, Colour
from diffusers_attnmask.ground.pictures import write_picture
from train_segmenter.data.base import Sample, Source
from train_segmenter.evaluation.inference import Inference
from train_segmenter.evaluation.scores import Report
from train_segmenter.models.base import Segmenter


def worst_pictures(
    report: Report, model: Segmenter, source: Source, inference: Inference, folder: Path
) -> list[Path]:
    """For each of the report's worst images: the image, its reference and the prediction, side by side over
    their legend."""
    with replacing_folder(folder) as partial:
        for rank, entry in enumerate(report.worst):
            row = _side_by_side(model, source[entry.index], inference)
            captions = ["image", "reference", f"IoU {entry.mean_iou:.3f}"]
            sheet = contact_sheet(row.pictures, columns=3, captions=captions, legend=_legend(model, [row]))
            write_picture(sheet, partial / f"{rank:02d}-{Path(entry.name).stem}.png")
    return files_below(folder)


def validation_sheet(model: Segmenter, source: Source, count: int, path: Path) -> Path:
    """One sheet of the first `count` pairs, each with its image, reference and prediction in a line."""
    rows = [_side_by_side(model, source[index], Inference()) for index in range(min(count, len(source)))]
    sheet = contact_sheet(
        [picture for row in rows for picture in row.pictures],
        columns=3,
        captions=["image", "reference", "prediction"] * len(rows),
        legend=_legend(model, rows),
    )
    write_picture(sheet, path)
    return path


class Row(NamedTuple):
    """The image, its reference and the prediction; ids: what these show."""

    pictures: list[Image.Image]
    ids: set[int]


def _side_by_side(model: Segmenter, sample: Sample, inference: Inference) -> Row:
    image = Image.fromarray(sample.image)
    masks = (sample.mask, inference.mask(model, sample.image))
    laid = [overlay(image, ids, model.class_names, legend=False) for ids in masks]
    return Row([image, *laid], {int(own) for ids in masks for own in np.unique(ids)})


def _legend(model: Segmenter, rows: Sequence[Row]) -> list[tuple[str, Colour]]:
    return entries_of(model.class_names, set().union(*(row.ids for row in rows)), SAFE_PALETTE)
