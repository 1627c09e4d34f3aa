"""From a recipe to a dataset with its card and, where asked for, on the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset_builder.annotating.names import write_names
from dataset_builder.building.manifest import FILE_NAME
from dataset_builder.building.run import build
from dataset_builder.building.tally import Tally
from dataset_builder.engine.options import EngineOptions
from dataset_builder.hub.card import write_card
from dataset_builder.hub.push import Push
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.places import own_place


@dataclass(frozen=True)
class BuiltDataset:
    """What the build counted, what went wrong on its way, and the address of the repository that has it."""

    tally: Tally
    incidents: Mapping[str, int]
    address: str | None = None


def build_dataset(
    recipe: Recipe,
    out: str | Path,
    engine: EngineOptions | None = None,
    *,
    push_to: str | None = None,
    private: bool = False,
    progress: bool = True,
    command: str = "build",
) -> BuiltDataset:
    """Build what is missing of a dataset folder, and write its card.

    Its rows hold an RGB image, a mask as a grey PNG of class ids uint8 (H, W), 255 to be ignored, and with
    `maps` a class map for each of their classes as a grey picture, 0 to 255 for 0 to 1.
    Shards go to a folder elsewhere as soon as they are built. push_to: a dataset repository, which gets every
    file as soon as it is built, and shows them at the end. command: whose folder it is.
    """
    if private and push_to is None:
        raise ValueError("--private is of a repository, and none is named: name it with --push-to")
    push = Push(push_to, private) if push_to is not None else None

    def finished(shard: Path) -> None:
        if push is not None:
            push.stage(shard, folder)
        for file in (shard, folder / FILE_NAME):
            place.send(file)

    with own_place(out, command) as place:
        folder = place.folder
        manifest = build(recipe, folder, engine, show_progress=progress, on_shard=finished)
        if recipe.pictures is not None:
            write_names(recipe, folder)
        write_card(folder, push_to)
        if push is not None:
            push.commit(folder)
    return BuiltDataset(manifest.tally or Tally(), manifest.incidents, push.address if push else None)
