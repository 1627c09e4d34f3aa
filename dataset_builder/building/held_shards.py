"""The shards of a build that its folder holds already, be it under the names of a build of fewer pairs.

Shards are counted in their names. A build that grows renames those that it goes on with: whoever is killed
meanwhile leaves names of both counts, and the next run finds the shards under either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dataset_builder.building.layout import Layout, ShardName
from dataset_builder.building.shard import read_tally
from dataset_builder.building.tally import Tally
from dataset_builder.parquet_shards import sync_folder
from train_segmenter.data.shards import NUMBERED


@dataclass(frozen=True)
class HeldShard:
    """A shard in its file; the last one of a smaller build has fewer pairs than it should have by now."""

    name: ShardName
    path: Path
    tally: Tally

    def is_full(self, layout: Layout) -> bool:
        return self.tally.handled == len(layout.indices(self.name))


def held_shards(folder: Path, layout: Layout, identity: str) -> list[HeldShard]:
    """The shards of this build in their order."""
    found = {}
    for path in (folder / "data").glob("*.parquet"):
        if match := NUMBERED.fullmatch(path.name):
            found[ShardName(match[1], int(match[2]))] = path
    held = []
    for name in layout.shards:
        if name in found and (tally := read_tally(found[name], name, identity)) is not None:
            held.append(HeldShard(name, found[name], tally))
    return held


def give_names(shards: Iterable[HeldShard], folder: Path, layout: Layout) -> None:
    """Rename shards to how many there are now; one that is not full waits so for its successor."""
    renamed = False
    for shard in shards:
        path = layout.file(shard.name, folder)
        if shard.path != path:
            shard.path.replace(path)
            renamed = True
    if renamed:
        sync_folder(folder / "data")
