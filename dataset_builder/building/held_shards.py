"""The shards of a build that its folder holds already, be it under the names of a build of fewer pairs.

Shards are counted in their names. A build that grows renames those that it goes on with: whoever is killed
meanwhile leaves names of both counts, and the next run finds the shards under either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dataset_builder.building.layout import SPLIT, shard_count, shard_file, shard_indices
from dataset_builder.building.shard import read_tally, sync_folder
from dataset_builder.building.tally import Tally
from dataset_builder.recipe import Recipe
from train_segmenter.data.shards import NUMBERED


@dataclass(frozen=True)
class HeldShard:
    """A shard in its file; the last one of a smaller build has fewer pairs than it should have by now."""

    number: int
    path: Path
    tally: Tally

    def is_full(self, recipe: Recipe) -> bool:
        return self.tally.handled == len(shard_indices(recipe, self.number))


def held_shards(folder: Path, recipe: Recipe, identity: str) -> list[HeldShard]:
    """The shards of this build in the order of their numbers."""
    held = {}
    for path in (folder / "data").glob(f"{SPLIT}-*.parquet"):
        match = NUMBERED.fullmatch(path.name)
        number = int(match[2]) if match else shard_count(recipe)
        if number < shard_count(recipe) and (tally := read_tally(path, number, identity)) is not None:
            held[number] = HeldShard(number, path, tally)
    return [held[number] for number in sorted(held)]


def give_names(shards: Iterable[HeldShard], folder: Path, recipe: Recipe) -> None:
    """Rename shards to how many there are now; one that is not full waits so for its successor."""
    renamed = False
    for shard in shards:
        path = shard_file(recipe, shard.number, folder)
        if shard.path != path:
            shard.path.replace(path)
            renamed = True
    if renamed:
        sync_folder(folder / "data")
