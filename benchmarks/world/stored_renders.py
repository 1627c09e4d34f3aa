"""Renders of the tiny world as files, in a folder that every command reads."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import tiny_world
from tiny_world.oracle import CLASS_NAMES
from train_segmenter.data import Source, open_source


def stored_renders(folder: Path, pairs: int, side: int) -> Source:
    """Scenes of the tiny world as files, enlarged to a side."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    scenes = [tiny_world.render(seed) for seed in range(pairs)]
    for number, (image, mask, *_) in enumerate(scenes):
        Image.fromarray(image).resize((side, side)).save(folder / f"images/{number}.png")
        Image.fromarray(mask).resize((side, side), Image.Resampling.NEAREST).save(
            folder / f"masks/{number}.png"
        )
    (folder / "classes.txt").write_text("\n".join(CLASS_NAMES))
    return open_source(f"folder:{folder}")
