"""The shards of a build that its folder holds already, be it under the names of a build of fewer pairs.

Shards are counted in their names. A build that grows renames those that it goes on with: whoever is killed
meanwhile leaves names of both counts, and the next run finds the shards under either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from dataset_builder.building.layout import Layout, ShardName
from dataset_builder.building.shard import read_tally
from dataset_builder.building.tally import Tally
from dataset_builder.parquet_shards import sync_folder
from train_segmenter.data.shards import NUMBERED


@dataclass(frozen=True)
class HeldShard:
    """A shard in its file; the last one of a smaller build has fewer pairs than it should have by now.

    older: the same under other names, which a copy of a folder may still have that was being renamed.
    """

    name: ShardName
    path: Path
    tally: Tally
    older: tuple[Path, ...] = ()

    def is_full(self, layout: Layout) -> bool:
        return self.tally.handled == len(layout.indices(self.name))


def held_shards(folder: Path, layout: Layout, identity: str) -> list[HeldShard]:
    """The shards of this build in their order."""
    found: dict[ShardName, list[Path]] = {}
    for path in sorted((folder / "data").glob("*.parquet")):
        if match := NUMBERED.fullmatch(path.name):
            found.setdefault(ShardName(match[1], int(match[2])), []).append(path)
    held = []
    for name in layout.shards:
        read = [(path, read_tally(path, name, identity)) for path in found.get(name, ())]
        own = sorted(((tally.handled, path, tally) for path, tally in read if tally), key=itemgetter(0))
        if own:
            *older, (_, path, tally) = own
            held.append(HeldShard(name, path, tally, tuple(path for _, path, _ in older)))
    return held


def give_names(shards: Iterable[HeldShard], folder: Path, layout: Layout) -> None:
    """Rename shards to how many there are now; one that is not full waits so for its successor."""
    renamed = False
    for shard in shards:
        path = layout.file(shard.name, folder)
        if shard.path != path:
            shard.path.replace(path)
            renamed = True
        for older in set(shard.older) - {path}:
            older.unlink()
    if renamed:
        sync_folder(folder / "data")
