"""`pictures.csv`: which picture each pair of an annotation was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dataset_builder.annotating.plan import picture_plan
from dataset_builder.building.layout import pair_id
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.atomic_files import write_text

TABLE = "pictures.csv"


def write_names(recipe: Recipe, folder: Path) -> None:
    """The id of each pair, and its picture's path from the folder of pictures."""
    assert recipe.pictures is not None
    plan, pictures = picture_plan(recipe.pictures, recipe.open_vocabulary()), Path(recipe.pictures.folder)
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(("id", "file"))
    for index, item in enumerate(plan.items[: recipe.pairs]):
        rows.writerow((pair_id(index), Path(str(item.condition)).relative_to(pictures).as_posix()))
    write_text(folder / TABLE, stream.getvalue())
