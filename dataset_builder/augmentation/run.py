"""A whole augmentation: a new dataset of pairs and their changed copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from tqdm import tqdm

from dataset_builder.augmentation.rows import AugmentedRows, KeptRows
from dataset_builder.dataset_copies import Row, write_rows
from dataset_builder.hub.card import write_derived_card
from diffusers_attnmask.ground.mirror import fetched
from diffusers_attnmask.ground.options import Fault, Name, OptionsError, Seed, options
from diffusers_attnmask.ground.places import new_place
from diffusers_attnmask.publishing import CARD
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.data.check import check_source
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


def augment_dataset(
    data: str | Path, out: str | Path, run: AugmentRun | None = None, *, progress: bool = True
) -> Augmented:
    """Write a dataset with augmented pairs as a new folder; one that has a card passes it on.

    data: a folder or Hub name, or parts of its splits (`folder@train[:10%]`), which are all augmented.
    """
    run = run or AugmentRun()
    path, parts = data_word(data)
    path = fetched(path)
    splits = _sources(path, parts, run)
    rows: dict[str, KeptRows] = {
        split: AugmentedRows(source, run.augment, run.copies, run.seed, run.originals)
        if parts or split == run.split
        else KeptRows(source)
        for split, source in splits.items()
    }
    for source in splits.values():
        check_source(source, progress=progress)
    total = sum(map(len, rows.values()))
    with (
        new_place(out, "augment", resumes=False) as work,
        tqdm(total=total, desc="augmenting", unit="pair", disable=not progress) as bar,
    ):
        written = {split: (_counted(own, bar), len(own)) for split, own in rows.items()}
        some = next(iter(rows.values()))
        write_rows(written, some.features, some.source.class_names, work)
        if (Path(path) / CARD).is_file():
            write_derived_card(work, Path(out).resolve().name, Path(path))
    return Augmented(total, sum(map(len, splits.values())))


def _counted(rows: KeptRows, bar: tqdm) -> Iterator[Row]:
    for row in rows:
        yield row
        bar.update()


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
