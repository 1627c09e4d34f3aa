"""What a card and a report say of a dataset folder, from its rows and, where there is one, its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Features

from dataset_builder.building.manifest import Manifest
from dataset_builder.building.tally import Tally
from dataset_builder.dataset_folder import (
    FILTER_TABLE,
    class_names,
    folder_features,
    named_classes,
    quality_of,
    read_rows,
    rows_in,
    split_files,
)
from dataset_builder.preview import shown_palette
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.options import read_options
from diffusers_attnmask.ground.palette import SAFE_PALETTE, Colour
from train_segmenter.data.finished import check_complete
from train_segmenter.data.split_parts import Part

SUMMED = ("id", "classes", "quality", "method", "model")  # columns


@dataclass(frozen=True)
class SplitSize:
    """pairs, and size: bytes of all files."""

    pairs: int
    size: int


@dataclass
class RowSums:
    """What rows say in sum, whoever read which of them: counts, and methods and models with the places of
    their first rows."""

    tally: Tally = field(default_factory=Tally)
    methods: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any], features: Features, place: int) -> None:
        """Count a row that has the columns of `SUMMED`."""
        name = str(row.get("id") or f"pair {place}")
        self.tally.keep(named_classes(row, features, name), quality_of(row, name))
        for found, column in ((self.methods, "method"), (self.models, "model")):
            if value := row.get(column):
                found[value] = min(place, found.get(value, place))

    def merge(self, other: RowSums) -> None:
        """Count the rows of another one, too."""
        self.tally.add(other.tally)
        for own, more in ((self.methods, other.methods), (self.models, other.models)):
            own.update({value: min(place, own.get(value, place)) for value, place in more.items()})


@dataclass(frozen=True)
class DatasetSummary:
    """class_names by mask id; methods and models in the order of their first row; the manifest's recipe;
    splits: all that the folder has. judged: whether a filter has put the agreement with its judges in the
    place of the maps' contrast."""

    tally: Tally
    class_names: tuple[str, ...]
    features: Features
    methods: tuple[str, ...]
    models: tuple[str, ...]
    recipe: Mapping[str, Any] | None
    software: Mapping[str, str]
    palette: tuple[Colour, ...]
    splits: Mapping[str, SplitSize]
    judged: bool

    @property
    def pictures(self) -> Mapping[str, Any] | None:
        """The recipe's section of pictures that existed already, where they were labelled."""
        return (self.recipe or {}).get("pictures")

    @property
    def background(self) -> bool:
        return self.class_names[0] == BACKGROUND

    @property
    def quality_name(self) -> str:
        """What the column `quality` holds, which is one thing after a build and another after a filter."""
        return "held-out IoU" if self.judged else "contrast"

    @property
    def quality_meaning(self) -> str:
        if self.judged:
            return "how well the mask agrees with a segmenter that had not seen the pair, from 0 to 1"
        return "how much stronger the class maps are inside the mask than outside, from 0 to 1"

    def with_rows(self, sums: RowSums, parts: Sequence[Part] = ()) -> DatasetSummary:
        """With what all rows say, or those of the parts; of all of them a build has counted more itself."""
        return replace(
            self,
            tally=self.tally if self.tally.handled and not parts else sums.tally,
            methods=tuple(sorted(sums.methods, key=sums.methods.__getitem__)),
            models=tuple(sorted(sums.models, key=sums.models.__getitem__)),
        )


def summary_of(folder: Path, *, parts: Sequence[Part] = (), outside: bool = False) -> DatasetSummary:
    """Of all pairs, or of those of the parts."""
    summary, sums = summary_without_rows(folder, outside=outside), RowSums()
    for place, row in enumerate(read_rows(folder, SUMMED, parts=parts, outside=outside)):
        sums.add(row, summary.features, place)
    return summary.with_rows(sums, parts)


def summary_without_rows(folder: Path, *, outside: bool = False) -> DatasetSummary:
    """What the files and the manifest say."""
    check_complete(folder)
    manifest = Manifest.read(folder)
    return DatasetSummary(
        manifest.tally if manifest and manifest.tally else Tally(),
        class_names(folder, outside=outside),
        folder_features(folder, outside=outside),
        (),
        (),
        manifest.recipe if manifest else None,
        manifest.inputs["software"] if manifest else {},
        palette_of(manifest),
        {
            split: SplitSize(rows_in(files), sum(path.stat().st_size for path in files))
            for split, files in split_files(folder, outside=outside).items()
        },
        (folder / FILTER_TABLE).is_file(),
    )


def palette_of(manifest: Manifest | None) -> tuple[Colour, ...]:
    """The colours that the vocabulary names, where it names any and is at hand, else those that all eyes tell
    apart."""
    if manifest is None:
        return SAFE_PALETTE
    try:
        own = read_options(Recipe, manifest.recipe, "manifest.json: recipe").open_vocabulary().palette
    except FileNotFoundError:
        return SAFE_PALETTE
    return tuple(shown_palette(own))
