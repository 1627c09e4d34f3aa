"""One picture of the whole way: a prompt's picture, its attention, its mask, a segmenter's prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from diffusers_attnmask.bundled import bundled_model
from diffusers_attnmask.ground.drawing import beside, contact_sheet, overlay
from diffusers_attnmask.ground.heat import heat_bar, heat_picture
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.legend import entries_of
from diffusers_attnmask.ground.palette import SAFE_PALETTE
from diffusers_attnmask.ground.pictures import write_picture
from diffusers_attnmask.masking.pipeline import DiffuMaskPipeline
from train_segmenter.evaluation import Inference
from train_segmenter.models import Segmenter

PROMPT, CLASSES, SEED = "a photo of a red star and a blue fish on sand", ("star", "fish"), 2
ENLARGED = 2  # times
ANOTHER = "another class"


def tell_story(model: Segmenter, steps: int, scale: float, file: Path) -> Path:
    """Draw the prompt's picture in so many steps, and put all that becomes of it in a row."""
    pipe = DiffuMaskPipeline.from_pretrained(bundled_model())
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(SEED)
    out = pipe(PROMPT, classes=list(CLASSES), num_inference_steps=steps, generator=generator)
    image = out.images[0]
    predicted = Inference(scales=(scale,)).mask(model, np.asarray(image))
    seen = seen_as(predicted, tuple(model.spec.class_names))
    names = (BACKGROUND, *CLASSES, ANOTHER) if np.any(seen > len(CLASSES)) else (BACKGROUND, *CLASSES)
    panels = {
        "the prompt's picture": image,
        **{f"attention: {name}": heat_picture(out.heatmap(0, name)) for name in CLASSES},
        "its mask": overlay(image, out.ids(0), names, legend=False),
        "the segmenter": overlay(image, seen, names, legend=False),
    }
    larger = [
        own.resize((own.width * ENLARGED, own.height * ENLARGED), Image.Resampling.NEAREST)
        for own in panels.values()
    ]
    legend = entries_of(names, {*out.ids(0).flat, *seen.flat}, SAFE_PALETTE)
    sheet = contact_sheet(larger, len(larger), list(panels), legend)
    write_picture(beside(sheet, heat_bar(larger[0].height)), file)
    return file


def seen_as(ids: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Ids of the segmenter's classes as those of the prompt's; all others are one more."""
    table = np.full(256, len(CLASSES) + 1, np.uint8)
    table[names.index(BACKGROUND)] = 0
    for number, name in enumerate(CLASSES, start=1):
        table[names.index(name)] = number
    return table[ids]
