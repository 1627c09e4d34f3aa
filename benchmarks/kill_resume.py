"""Does a killed build resume to the same bytes? Kills a real `build` at random moments, over and over.

python -m benchmarks.kill_resume --kills 1000
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.painted_sampler import PaintedSampler
from dataset_builder.building.run import EngineOptions, build
from dataset_builder.hub.card import write_card
from dataset_builder.recipe import Recipe, SamplingOptions

RECIPE = Recipe("tiny-world", pairs=60, shard_size=5, sampling=SamplingOptions(batch_size=3))
SAMPLER = PaintedSampler(seconds=0.002, blanked=0.1, empty=0.1)
NOT_DATA = (".build.lock", "build.log")  # differ by nature: they tell the time


def whole_build(folder: Path, workers: int = 0) -> Path:
    """The folder after an uninterrupted build."""
    build(RECIPE, folder, EngineOptions(workers=workers), make_sampler=SAMPLER, show_progress=False)
    write_card(folder)
    return folder


def killed_build(folder: Path, kills: int, seed: int, workers: int = 0) -> int:
    """Kill builds in the folder at random moments, at least `kills` times, then let one finish.

    A build that finishes before its moment has a random file of it removed, so that there is something left
    to kill. Returns how many died.
    """
    rng, died, longest = random.Random(seed), 0, 0.2
    while died < kills:
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            whole_build(folder, workers)
            os._exit(0)
        time.sleep(rng.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            died += 1
            continue
        longest = max(0.05, 0.9 * (time.monotonic() - started))
        files = sorted((folder / "data").glob("*.parquet"))
        for path in rng.sample(files, len(files) // 2):
            path.unlink()
    whole_build(folder, workers)
    return died


def folder_bytes(folder: Path) -> dict[str, str]:
    """The digest of every file that the build promises; a file left by a dead build shows as one too many."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in NOT_DATA
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        expected = folder_bytes(whole_build(Path(name) / "whole" / "shapes"))
        killed = Path(name) / "killed" / "shapes"  # the folder's name is the card's title
        died = killed_build(killed, arguments.kills, arguments.seed, arguments.workers)
        same = folder_bytes(killed) == expected
    print(f"{died} kills, {len(expected)} files: {'the same bytes' if same else 'DIFFERENT BYTES'}")
    raise SystemExit(not same)


if __name__ == "__main__":
    main()
