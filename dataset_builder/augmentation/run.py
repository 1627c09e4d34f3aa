"""A whole augmentation: a new dataset of pairs and their changed copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from tqdm import tqdm

from dataset_builder.augmentation.rows import AugmentedRows
from dataset_builder.building.layout import SPLIT
from dataset_builder.dataset_copies import write_rows
from dataset_builder.hub.card import write_derived_card
from diffusers_attnmask.ground.mirror import fetched
from diffusers_attnmask.ground.options import Fault, Name, OptionsError, Seed, options
from diffusers_attnmask.ground.places import new_place
from diffusers_attnmask.publishing import CARD
from train_segmenter.augmentation.options import AugmentOptions
from train_segmenter.data.check import check_source
from train_segmenter.data.hub import hub


@options(kw_only=True)
class AugmentRun:
    """augment: what happens to a pair, and how often. copies: of each pair. originals: whether the pairs
    themselves stay, before their copies. split: the one that is read and written. allow_outside: read
    files, too, that the data name outside of their folder."""

    augment: AugmentOptions = field(default_factory=AugmentOptions)
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    originals: bool = True
    seed: Seed = 0
    split: Name = SPLIT
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
    """Write a dataset with augmented pairs as a new folder; one that has a card passes it on."""
    run, data = run or AugmentRun(), fetched(data)
    source = hub(data, run.split, outside=run.allow_outside)
    check_source(source, progress=progress)
    rows = AugmentedRows(source, run.augment, run.copies, run.seed, run.originals)
    with new_place(out, "augment", resumes=False) as work:
        shown = tqdm(rows, "augmenting", total=len(rows), unit="pair", disable=not progress)
        write_rows({run.split: (shown, len(rows))}, rows.features, source.class_names, work)
        if run.split == SPLIT and (Path(data) / CARD).is_file():
            write_derived_card(work, Path(out).resolve().name, Path(data))
    return Augmented(len(rows), len(source))
