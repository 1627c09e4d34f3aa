"""From an image with class maps to a row of the dataset; runs in a worker process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Features

from dataset_builder.building.candidates import Candidate, Skipped
from dataset_builder.building.layout import pair_id
from dataset_builder.building.present import with_present_classes
from dataset_builder.building.sampler import Sampled
from dataset_builder.preview import preview_cell, shown_palette
from dataset_builder.recipe import Recipe, Refinement
from dataset_builder.vocabulary import Vocabulary
from diffusers_attnmask.ground.columns import (
    MAPS,
    PRESENCE,
    PREVIEW,
    object_cells,
    pair_features,
    picture_cell,
)
from diffusers_attnmask.ground.ids import BACKGROUND, IGNORE_ID
from diffusers_attnmask.ground.instances import countable, described, fitted
from diffusers_attnmask.ground.pictures import encoded


@dataclass(frozen=True)
class BuiltRow:
    """A row in the columns of `pair_features`, with pictures encoded, and what to count of it."""

    index: int
    row: dict[str, Any]
    classes: list[str]
    quality: float
    retried: bool


@dataclass(frozen=True)
class RowMaker:
    """Makes rows. It travels to the workers once."""

    recipe: Recipe
    vocabulary: Vocabulary
    model: str
    method: str

    def __call__(self, candidate: Candidate | Skipped) -> BuiltRow | Skipped:
        if isinstance(candidate, Skipped):
            return candidate
        candidate = with_present_classes(candidate, self.recipe.drop_absent)
        names = candidate.item.class_names
        if not names:
            reason = f"no class has a presence of {self.recipe.drop_absent:g}"
            return Skipped(candidate.index, candidate.item.text, "classes absent", reason)
        local = refined(candidate.sampled, names, self.recipe.refinement)
        quality = contrast(candidate.sampled.heatmaps, local)
        places = {self.vocabulary[name].id: place for place, name in enumerate(names)}
        shown = sorted(own for own, place in places.items() if (local == place + 1).any())
        if not shown:
            return Skipped(candidate.index, candidate.item.text, "mask empty", "no pixel belongs to a class")
        image, mask = candidate.sampled.image, self.vocabulary.mask_table(names)[local]
        row = {
            "image": picture_cell(self.encoded_image(image)),
            "mask": picture_cell(encoded(mask)),
            "id": pair_id(candidate.index),
            "prompt": candidate.item.text,
            "classes": shown,
            "seed": candidate.seed,
            "method": self.method,
            "model": self.model,
            "quality": quality,
        }
        if self.recipe.preview:
            palette = shown_palette(self.vocabulary.palette)
            row[PREVIEW] = preview_cell(image, mask, self.vocabulary.class_names, palette)
        if self.recipe.maps:
            maps = candidate.sampled.heatmaps
            row[MAPS] = [picture_cell(encoded(map_picture(maps[places[own]]))) for own in shown]
        if self.recipe.presence:
            row[PRESENCE] = presence_of(candidate.sampled, [places[own] for own in shown])
        if candidate.sampled.objects is not None:
            row |= self.objects(candidate.sampled, local, names)
        classes = [self.vocabulary.class_names[own] for own in shown]
        return BuiltRow(candidate.index, row, classes, quality, candidate.attempt > 0)

    def objects(self, sampled: Sampled, mask: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
        """The cells of the objects in the mask that is kept, told apart in the one that was sampled."""
        assert sampled.objects is not None
        numbers = fitted(sampled.objects, sampled.mask, mask, countable(mask))
        found = described(numbers, mask, [BACKGROUND, *names])
        return object_cells(found, self.vocabulary.mask_table(names))

    def encoded_image(self, pixels: np.ndarray) -> bytes:
        kind = self.recipe.image_format
        return encoded(pixels, kind, **({} if kind == "png" else {"quality": self.recipe.image_quality}))


def row_features(recipe: Recipe, class_names: Sequence[str]) -> Features:
    """The columns of the rows that a recipe's `RowMaker` makes."""
    return pair_features(
        class_names,
        maps=recipe.maps,
        instances=recipe.instances is not None,
        presence=recipe.presence,
        preview=recipe.preview,
    )


def presence_of(sampled: Sampled, places: Sequence[int]) -> list[float]:
    """How surely the classes at some places of the prompt are in the picture."""
    assert sampled.presence is not None  # by `check_told`
    return sampled.presence[list(places)].tolist()


def refined(sampled: Sampled, names: Sequence[str], refinement: Refinement) -> np.ndarray:
    """The mask uint8 (H, W) to keep, i + 1 for the prompt's i-th class."""
    if sampled.refined is not None or not refinement.changes:
        return sampled.mask if sampled.refined is None else sampled.refined  # such workers never load torch
    from dataset_builder.refinement.refine_mask import refined_mask
    from diffusers_attnmask.ground.threads import threads

    with threads(1):
        return refined_mask(
            sampled.image, sampled.heatmaps, sampled.mask, names, refinement, sampled.features
        )


def contrast(heatmaps: np.ndarray, mask: np.ndarray) -> float:
    """How much stronger the maps (C, H, W) are inside their classes' masks than outside: the mean, in [0, 1].

    >>> contrast(np.array([[[1.0, 0.5], [0.0, 0.25]]]), np.array([[1, 0], [0, 0]]))
    0.75
    """
    differences = []
    for index, heatmap in enumerate(heatmaps):
        inside = mask == index + 1
        outside = ~inside & (mask != IGNORE_ID)
        if inside.any():
            around = heatmap[outside].mean(dtype=np.float64) if outside.any() else 0.0
            differences.append(heatmap[inside].mean(dtype=np.float64) - around)
    return float(np.clip(np.mean(differences), 0, 1)) if differences else 0.0


def map_picture(heatmap: np.ndarray) -> np.ndarray:
    """A class map (H, W) in [0, 1] as grey values."""
    return (np.clip(heatmap, 0, 1) * 255).round().astype(np.uint8)
