"""A whole build: what is missing in a folder is built, shard by shard, until the folder is a dataset."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path

from dataset_builder.building.engines import spread
from dataset_builder.building.held_shards import give_names, held_shards
from dataset_builder.building.job import Job, ShardPrompts, Watcher, diffumask_sampler
from dataset_builder.building.layout import layout_of, plan_of
from dataset_builder.building.manifest import Manifest, begin, inputs_of
from dataset_builder.building.progress import LOG_NAME, BuildProgress
from dataset_builder.building.sampler import MakeSampler
from dataset_builder.building.shard import Shard, read_tally, write_shard
from dataset_builder.building.tally import Tally
from dataset_builder.engine.options import EngineOptions
from dataset_builder.recipe import Recipe
from diffusers_attnmask.bundled import named_model
from diffusers_attnmask.ground.own_folder import own_folder

WRITE_PAUSES = (1.0, 4.0)  # seconds before a shard that found the disk full is written again


def build(
    recipe: Recipe,
    out: str | Path,
    engine: EngineOptions | None = None,
    *,
    make_sampler: MakeSampler | None = None,
    show_progress: bool = True,
    on_shard: Callable[[Path], None] = lambda path: None,
) -> Manifest:
    """Build the dataset of a recipe into a folder, or what of it is still missing there.

    A folder that holds fewer pairs of the same recipe grows: full shards stay as they are, the last one is
    made anew. on_shard is called with every finished shard's file, those of an earlier run included.
    """
    with own_folder(out, "build") as folder:
        return _Build(recipe, folder, engine or EngineOptions(), make_sampler, show_progress).run(on_shard)


class _Build:
    """One run in a folder that it alone holds."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        engine: EngineOptions,
        make_sampler: MakeSampler | None,
        show_progress: bool,
    ) -> None:
        recipe = recipe.on_this_machine()
        self.recipe, self.folder, self.engine, self.show = recipe, folder, engine, show_progress
        self.vocabulary = recipe.open_vocabulary()
        self.plan = plan_of(recipe, self.vocabulary, folder)
        inputs = inputs_of(recipe, _model_folder(recipe, make_sampler), self.vocabulary)
        inputs["prompts"] = self.plan.fingerprint
        self.manifest = begin(folder, recipe, inputs)
        self.job = Job(recipe, self.vocabulary, self.manifest.identity, make_sampler or diffumask_sampler)
        self.layout = layout_of(recipe, self.plan, progress=show_progress)
        self.held = held_shards(folder, self.layout, self.job.identity)
        self.begun = False

    def run(self, on_shard: Callable[[Path], None]) -> Manifest:
        full = {shard.name: shard for shard in self.held if shard.is_full(self.layout)}
        missing = [name for name in self.layout.shards if name not in full]
        finished = [self.layout.file(name, self.folder) for name in full]
        done = Tally()
        for held in full.values():
            done.add(held.tally)
        progress = BuildProgress(self.recipe.pairs, done, self.folder / LOG_NAME, self.show)
        prompts = (ShardPrompts(name, self.layout.prompts(name)) for name in missing)
        first = list(islice(prompts, 1))  # who cannot write them ends the build before it leaves anything
        asked = chain(first, prompts)
        watcher = Watcher(settled=progress.add, incident=self.incident)
        nothing: AbstractContextManager[Iterator[Shard]] = nullcontext(iter(()))
        with spread(self.job, asked, self.engine, watcher) if missing else nothing as shards, progress:
            progress.note(
                "began", build=self.job.identity, shards=len(self.layout.shards), missing=len(missing)
            )
            for shard in shards:
                path = self.layout.file(shard.name, self.folder)
                self.written(shard, path)
                progress.shard_done(shard.name, shard.tally, path)
                finished.append(path)
                while finished:
                    on_shard(finished.pop(0))
            progress.note("complete", pairs=progress.tally.pairs, skipped=dict(progress.tally.skipped))
        self.begin()
        for path in finished:
            on_shard(path)
        return self.completed()

    def written(self, shard: Shard, path: Path) -> None:
        """Write a shard; a full disk may have room again in a moment."""
        # drawn pictures are meant to show the classes; existing ones that do not may follow one another
        if not shard.tally.pairs and (self.recipe.pictures is None or len(self.layout.shards) == 1):
            raise ValueError(nothing_kept(shard.tally, f"pairs of shard {shard.name}", self.recipe))
        for pause in (*WRITE_PAUSES, None):
            try:
                self.begin()
                return write_shard(shard, path)
            except OSError as mistake:
                if mistake.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self.incident("disk full")
                if pause is None:
                    raise OSError(
                        f"the disk of {self.folder} is full; all shards before {path.name} are safe: make "
                        "room, then run the same command again",
                    ) from mistake
                time.sleep(pause)
        return None

    def begin(self) -> None:
        """Make the folder this build's, with the first shard of this run and no earlier: a recipe whose model
        or words turn out to be no good leaves nothing that a better one would be refused for, and a build
        that was to grow as it was."""
        if not self.begun:
            self.manifest.write(self.folder)
            give_names(self.held, self.folder, self.layout)
            self.begun = True

    def incident(self, what: str) -> None:
        """Count what went wrong, in the manifest if there is one and the disk lets it."""
        self.manifest.incidents[what] += 1
        if not self.begun:
            return
        try:
            self.manifest.write(self.folder)
        except OSError as mistake:
            if mistake.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def completed(self) -> Manifest:
        """Counts in the order of the shards, whichever was built first."""
        tally, splits = Tally(), dict.fromkeys(self.layout.members, 0)
        for name in self.layout.shards:
            own = read_tally(self.layout.file(name, self.folder), name, self.job.identity)
            if own is None:
                raise OSError(f"shard {name} of {self.folder} vanished while the build went on: run it again")
            tally.add(own)
            splits[name.split] += own.pairs
        if not tally.pairs:
            raise ValueError(nothing_kept(tally, "pairs", self.recipe))
        self.manifest.tally, self.manifest.splits = tally, splits
        self.manifest.prompts = json.loads(json.dumps(asdict(self.plan.report)))
        self.manifest.write(self.folder)
        return self.manifest


def nothing_kept(tally: Tally, what: str, recipe: Recipe) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in tally.skipped.most_common())
    example, drawn = tally.examples[0], recipe.pictures is None
    few = "; with more pairs it has more prompts" if drawn and tally.handled < recipe.shard_size else ""
    return (
        f"none of the {what} could be kept ({reasons}){few}; the first, "
        f"{example['prompt']!r}: {example['detail']}"
    )


def _model_folder(recipe: Recipe, make_sampler: MakeSampler | None) -> Path | None:
    """The folder or file of the weights, where the build reads one."""
    return named_model(recipe.model) if make_sampler is None else None
