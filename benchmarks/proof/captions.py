"""Captions of scenes, by their number of objects: the prompts of recipe.yaml.

    python -m benchmarks.proof.captions captions

The scenes are of the training split; they are not rendered. `captions/1.txt` holds those of one object.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tiny_world.captions import full_caption
from tiny_world.rendered_pairs import SPLIT_SEEDS
from tiny_world.scene import draw_scene

FIRST_SEED = 900_000_000


def main(
    out: Annotated[Path, typer.Argument(help="folder of the files")],
    scenes: Annotated[int, typer.Option(help="scenes to describe")] = 12_000,
) -> None:
    captions: dict[int, dict[str, None]] = {}  # each once, in the order of the scenes
    for seed in SPLIT_SEEDS["train"][FIRST_SEED : FIRST_SEED + scenes]:
        scene = draw_scene(np.random.default_rng(seed))
        captions.setdefault(len(scene.items), {})[full_caption(scene)] = None
    out.mkdir(parents=True, exist_ok=True)
    for objects, found in sorted(captions.items()):
        file = out / f"{objects}.txt"
        file.write_text("\n".join(found) + "\n", encoding="utf-8")
        print(f"{file}: {len(found)} captions")


if __name__ == "__main__":
    typer.run(main)
