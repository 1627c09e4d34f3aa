"""A whole augmentation: a new dataset of pairs and their changed copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dataset_builder.augmentation.rows import AugmentedRows, KeptRows
from dataset_builder.checking import refuse_faults
from dataset_builder.dataset_folder import write_labels
from dataset_builder.derived_shards import DerivedRows, Row, write_shards
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.spans import Span
from dataset_builder.engine.workers import OpenedAnew, working
from dataset_builder.hub.card import write_derived_card
from dataset_builder.origin import identity_of
from diffusers_attnmask.ground.bars import moving_bar
from diffusers_attnmask.ground.options import Fault, Name, OptionsError, Seed, options
from diffusers_attnmask.ground.places import new_place
from diffusers_attnmask.publishing import CARD
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.data.check import faults_of
from train_segmenter.data.finished import data_folder
from train_segmenter.data.hub import HubPairs, hub
from train_segmenter.data.shards import UNNAMED, split_names, split_order
from train_segmenter.data.split_parts import Part, data_word


@options(kw_only=True)
class AugmentRun:
    """augment: what happens to a pair, and how often. copies: of each pair. originals: whether the pairs
    themselves stay, before their copies. split: the one that is augmented where the data are named whole; the
    others stay as they are. allow_outside: read files, too, that the data name outside of their folder."""

    augment: AugmentOptions = field(default_factory=AugmentOptions)
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    originals: bool = True
    seed: Seed = 0
    split: Name = UNNAMED
    allow_outside: bool = False

    def __post_init__(self) -> None:
        own = self.augment
        if not (own.splice or own.blur or own.occlude or own.perspective or own.turn):
            told = ": all probabilities are 0, so that every copy would equal its pair"
            raise OptionsError([Fault("augment", told)])


@dataclass(frozen=True)
class Augmented:
    """How many pairs there are now, and of how many they were made."""

    pairs: int
    of: int


@dataclass(frozen=True)
class AugmentStage(OpenedAnew):
    """A dataset and what is made of it, as every worker opens them.

    parts: of the data, which are all augmented; without any, the run's split is, beside all others.
    """

    path: str
    parts: tuple[Part, ...]
    run: AugmentRun

    @cached_property
    def sources(self) -> dict[str, HubPairs]:
        return _sources(data_folder(self.path), self.parts, self.run)

    @cached_property
    def made(self) -> dict[str, KeptRows]:
        run = self.run
        return {
            split: AugmentedRows(source, run.augment, run.copies, run.seed, run.originals)
            if self.parts or split == run.split
            else KeptRows(source)
            for split, source in self.sources.items()
        }

    @property
    def asked(self) -> DerivedRows[AugmentStage]:
        decides = {k: v for k, v in asdict(self.run).items() if k != "allow_outside"}
        identity = identity_of("augment", self.path, {"parts": self.parts, **decides})
        features = next(iter(self.made.values())).features
        lengths = {split: len(own) for split, own in self.made.items()}
        return DerivedRows(lengths, AugmentStage.rows, features, identity)

    def faults(self, span: Span) -> tuple[Span, list[tuple[int, Exception]]]:
        return span, faults_of(self.sources[span.split], span.numbers)

    def rows(self, span: Span) -> Iterator[Row]:
        return (self.made[span.split][place] for place in span.numbers)


def augment_dataset(
    data: str | Path,
    out: str | Path,
    run: AugmentRun | None = None,
    engine: EngineOptions | None = None,
    *,
    progress: bool = True,
) -> Augmented:
    """Write a dataset with augmented pairs as a new folder; one that has a card passes it on.

    data: a folder or Hub name, or parts of its splits (`folder@train[:10%]`), which are all augmented. A run
    that was stopped goes on where it was.
    """
    run = run or AugmentRun()
    path, parts = data_word(data)
    if parts and run.split not in (UNNAMED, *(part.split for part in parts)):
        raise ValueError(f"{data} names a split, and --split {run.split} another one: name one of them")
    stage = AugmentStage(path, parts, run)
    path = data_folder(path)
    run.augment.check_classes(next(iter(stage.sources.values())).class_names)
    asked = stage.asked
    lengths = {split: len(own) for split, own in stage.sources.items()}
    with new_place(out, "augment") as work:
        with working(stage, engine or EngineOptions()) as workers:
            refuse_faults(workers, AugmentStage.faults, lengths, progress)
            with moving_bar("augmenting", len(asked), shown=progress) as bar:
                write_shards(asked, work, workers, bar.update)
        write_labels(next(iter(stage.sources.values())).class_names, work)
        if (Path(path) / CARD).is_file():
            write_derived_card(work, Path(out).resolve().name, Path(path))
    return Augmented(len(asked), sum(lengths.values()))


def _sources(path: str, parts: Sequence[Part], run: AugmentRun) -> dict[str, HubPairs]:
    """The pairs of every split that is written; the one to augment is among them."""
    asked: dict[str, list[str]] = {} if parts else {run.split: [run.split]}
    known = () if parts else split_names(path, outside=run.allow_outside)
    for part in parts or [Part(split) for split in known if split != run.split]:
        asked.setdefault(part.split, []).append(str(part))
    return {
        split: hub(path, "+".join(words), outside=run.allow_outside)
        for split, words in sorted(asked.items(), key=lambda own: split_order(own[0]))
    }
