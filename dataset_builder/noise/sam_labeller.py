"""Segment Anything as a second labeller: what it makes of the classes, or of the objects, that a mask has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dataset_builder.noise.coverage import class_coverage
from dataset_builder.refinement.sam.choice import chosen
from dataset_builder.refinement.sam.objects import objects_of
from dataset_builder.refinement.sam.prompts import prompts_of
from dataset_builder.refinement.threshold import strongest
from dataset_builder.sam.kinds import WORDED, kind_of, prompted_sam, worded_sam
from dataset_builder.sam.options import SamOptions
from dataset_builder.sam.prompted import NONE, ON, PromptedSam, Prompts
from dataset_builder.sam.worded import surest
from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID


def sam_labeller(
    model: str, class_names: tuple[str, ...], elsewhere: int, score: float = SamOptions.score
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A SAM 3 looks for the classes of a mask by their names; one that takes no words outlines its objects.

    elsewhere: the id of what belongs to no class. score: from which on a SAM 3 counts an object.
    """
    options = options_for(model, score)
    worded = options.prompts == "words"

    def label(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        shown = list(class_coverage(mask, class_names))
        if not shown:
            return np.full(mask.shape, elsewhere, np.uint8)
        if worded:
            sam, names = worded_sam(model, options), [class_names[own] for own in shown]
            found = surest(sam.maps(image, names, options.score))
        else:
            found = outlined(prompted_sam(model, options), image, places_of(mask, shown), options)
        return np.array([elsewhere, *shown], np.uint8)[found.cpu().numpy()]

    return label


def options_for(model: str, score: float = SamOptions.score) -> SamOptions:
    """How a SAM is asked: by words where it takes any."""
    return SamOptions(prompts="words", score=score) if kind_of(model) in WORDED else SamOptions()


def places_of(mask: np.ndarray, shown: list[int]) -> Tensor:
    """A mask (H, W) of ids as labels, i+1 for the i-th of those it shows."""
    table = np.full(256, BACKGROUND_ID, np.uint8)
    table[IGNORE_ID] = IGNORE_ID
    table[shown] = np.arange(1, len(shown) + 1)
    return torch.from_numpy(table[mask])


def outlined(sam: PromptedSam, image: np.ndarray, labels: Tensor, options: SamOptions) -> Tensor:
    """Labels (H, W) anew, each object of them as SAM outlines it; of its candidates the one that agrees best.

    It is told where objects are and nothing of their outlines, with which it would answer.
    """
    maps = torch.stack([labels == own for own in range(1, int(labels[labels != IGNORE_ID].max()) + 1)])
    claims, picture = torch.zeros_like(maps), sam.embedded(image)
    for objects in objects_of(labels, maps.float()):
        asked = without_outlines(prompts_of(objects, labels, maps.float(), options))
        for place, mask in zip(
            objects.classes, chosen(sam.candidates(picture, asked), objects, 0), strict=True
        ):
            claims[place] |= mask
    return strongest(claims, maps.float())


def without_outlines(prompts: Prompts) -> Prompts:
    """Boxes, and points on the objects, alone."""
    return replace(prompts, labels=prompts.labels.where(prompts.labels == ON, NONE), masks=None)
