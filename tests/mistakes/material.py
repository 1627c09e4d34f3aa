"""What the rows of the table start from: small data, models and recipes, each made when a row first names it.

A function of `MATERIAL` makes one at the path it is given; rows name it in braces, as `{dataset}`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

from dataset_builder.building.dataset import build_dataset
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe
from diffusers_attnmask import bundled_oracle
from diffusers_attnmask.ground.columns import MAPS, pair_features
from tests.dataset_builder.export.small_dataset import make_dataset
from tests.mistakes import spoilt
from tests.small_models.causal import save_causal
from tests.small_models.sam import sam2, sam3
from tests.train_segmenter.shapes import NAMES, draw, small_model, write_folder

RECIPE = "vocabulary: tiny-world\npairs: 2\nshard_size: 1\nsampling: {steps: 1, batch_size: 1}\n"


def dataset(path: Path) -> None:
    make_dataset(path, NAMES, count=4)


def roads(path: Path) -> None:
    """A dataset without a background."""
    make_dataset(path, ("road", "car", "sky"), count=4)


def mapped_dataset(path: Path) -> None:
    """A dataset with class maps, as `attnmask refine` needs."""
    rows = []
    for seed in range(2):
        image, mask = draw(seed)
        ids = [int(own) for own in np.unique(mask) if own]
        rows.append(
            {
                "image": Image.fromarray(image),
                "mask": Image.fromarray(mask),
                "id": f"{seed:08d}",
                "prompt": "red and blue",
                "classes": ids,
                "seed": seed,
                "method": "daam",
                "model": "none",
                "quality": 0.5,
                MAPS: [Image.fromarray(255 * (mask == own).astype(np.uint8)) for own in ids],
            }
        )
    (path / "data").mkdir(parents=True)
    features = pair_features(NAMES, maps=True)
    made = datasets.Dataset.from_list(rows, features=features)
    made.to_parquet(path / "data/train-00000-of-00001.parquet")
    (path / "README.md").write_text("---\nlicense: mit\n---\n")


def folder(path: Path) -> None:
    """`images/`, `masks/` and `classes.txt`, for `--data folder:`."""
    write_folder(path)


def model(path: Path) -> None:
    small_model().save_pretrained(path)


def oracle(path: Path) -> None:
    shutil.copytree(bundled_oracle(), path)


def words_alone(path: Path) -> None:
    """A language model, which sees no pictures."""
    save_causal(path)


def picture(path: Path) -> None:
    Image.fromarray(draw(0)[0]).save(path, "PNG")


def recipe(path: Path) -> None:
    path.write_text(RECIPE)


def built(path: Path) -> None:
    """What `attnmask build --recipe {recipe}` leaves."""
    file = path.with_suffix(".yaml")
    recipe(file)
    build_dataset(Recipe.read(file), path, EngineOptions(workers=0), progress=False)


MATERIAL: dict[str, Callable[[Path], None]] = {
    **{
        made.__name__: made
        for made in (dataset, roads, mapped_dataset, folder, model, picture, recipe, built)
    },
    **{made.__name__: made for made in (oracle, words_alone)},
    **{made.__name__: made for made in (sam2, sam3)},
    **spoilt.MATERIAL,
}
SUFFIXES = {"picture": ".png", "recipe": ".yaml"}
