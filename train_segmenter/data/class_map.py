"""From one vocabulary to another: ids of a source become ids of the classes to train or to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from diffusers_attnmask.ground.class_tables import class_table
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from diffusers_attnmask.ground.instances import countable
from diffusers_attnmask.ground.options import options
from train_segmenter.data.base import Sample, Source

Others = Literal["error", "background", "ignore"]
CITYSCAPES_GROUPS = class_table("cityscapes-human-vehicle").groups  # those that DiffuMask (ICCV 2023) judges


@options
class ClassMap:
    """Target names by id, the source names that a target gathers, and the fate of the other source classes.

    `groups` maps a target name to source names; a target not listed takes the source class of its own name.
    `others` is what becomes of source classes that no target takes: "background", "ignore", or "error".
    """

    class_names: tuple[str, ...]
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    others: Others = "error"

    def __post_init__(self) -> None:
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"A class is named twice: {', '.join(self.class_names)}.")
        if unknown := set(self.groups) - set(self.class_names):
            raise ValueError(f"Groups for classes that are not trained: {', '.join(sorted(unknown))}.")
        if self.others == "background" and self.class_names[0] != BACKGROUND:
            raise ValueError('Other classes can become background only where class 0 is "background".')

    def table(self, source_names: Sequence[str]) -> np.ndarray:
        """Lookup uint8 (256,) from the source's ids to the target's; wrong ids stay wrong."""
        target_of = {
            member: target
            for target, name in enumerate(self.class_names)
            for member in self.groups.get(name, (name,))
        }
        grouped = {member for members in self.groups.values() for member in members}
        if absent := sorted(grouped - set(source_names)):
            raise ValueError(
                f"The source has no class {', '.join(absent)}; it has {', '.join(source_names)}."
            )
        left = [name for name in source_names if name not in target_of]
        if left and self.others == "error":
            raise ValueError(
                f"The source's classes {', '.join(left)} are not among {', '.join(self.class_names)}. Say "
                'what becomes of them: others="background" or others="ignore", or a group that gathers them.'
            )
        table = np.arange(256, dtype=np.uint8)
        for old, name in enumerate(source_names):
            table[old] = target_of.get(name, BACKGROUND_ID if self.others == "background" else IGNORE_ID)
        wrong = np.arange(len(source_names), IGNORE_ID)
        table[wrong] = np.maximum(
            wrong, len(self.class_names)
        )  # never taken for a class: found by check_source
        return table


@dataclass(frozen=True)
class Mapped:
    """A source seen through a class map."""

    source: Source
    class_names: tuple[str, ...]
    table: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return self.source.name(index)

    def __getitem__(self, index: int) -> Sample:
        sample = self.source[index]
        mask, objects = self.table[sample.mask], sample.objects
        if objects is not None:
            objects = np.where(np.isin(mask, countable(mask, self.class_names[0] == BACKGROUND)), objects, 0)
        return Sample(sample.image, mask, sample.name, objects)


def mapped(source: Source, class_map: ClassMap) -> Source:
    """The source in the map's vocabulary (the source itself where both are the same)."""
    if tuple(source.class_names) == class_map.class_names and not class_map.groups:
        return source
    return Mapped(source, class_map.class_names, class_map.table(source.class_names))
