"""A look at the world: ``python -m tiny_world sheet.png`` draws scenes and, under each, its exact mask."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.drawing import contact_sheet, overlay
from diffusers_attnmask.ground.ids import BACKGROUND
from tiny_world.rendered_pairs import SPLIT_SEEDS
from tiny_world.renderer import render
from tiny_world.scene import CLASSES


def sheet(count: int, split: str) -> Image.Image:
    """Scenes of a split over their masks, each with its caption."""
    pictures, captions = [], []
    for seed in SPLIT_SEEDS[split][:count]:
        image, mask, caption, _ = render(seed)
        masked = overlay(Image.fromarray(image), mask, (BACKGROUND, *CLASSES), opacity=0.75, legend=False)
        pictures.append(Image.fromarray(np.vstack([image, np.asarray(masked)])))
        captions.append(caption)
    return contact_sheet(pictures, columns=6, captions=captions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tiny_world", description=__doc__)
    parser.add_argument("out", type=Path, help="picture file")
    parser.add_argument("--count", type=int, default=12, help="scenes (12)")
    parser.add_argument("--split", choices=SPLIT_SEEDS, default="test", help="test by default")
    options = parser.parse_args()
    sheet(options.count, options.split).save(options.out)
