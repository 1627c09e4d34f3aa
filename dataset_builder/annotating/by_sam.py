"""Pictures labelled by SAM 3, which finds objects by words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataset_builder.building.diffumask_sampler import model_name
from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe
from dataset_builder.sam.kinds import check_sam, worded_sam
from dataset_builder.sam.options import SamOptions
from dataset_builder.sam.worded import surest


class SamLabeller:
    """A pixel is of the class whose surest object covers it; a class map is that object's score."""

    method = "sam"
    tells = ()

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.pictures is not None
        sampling, self.score = recipe.sampling, recipe.pictures.score
        options = SamOptions(prompts="words", score=self.score, device=sampling.device, dtype=sampling.dtype)
        self.check(recipe)
        self.model, self.sam = model_name(recipe), worded_sam(recipe.model, options)

    @staticmethod
    def check(recipe: Recipe) -> None:
        check_sam(recipe.model, SamOptions(prompts="words", device=recipe.sampling.device), "name a SAM 3")

    def __call__(
        self, images: Sequence[np.ndarray], items: Sequence[PromptItem], seeds: Sequence[int]
    ) -> list[Sampled | Refused]:
        return [self.labelled(image, item) for image, item in zip(images, items, strict=True)]

    def labelled(self, image: np.ndarray, item: PromptItem) -> Sampled:
        maps = self.sam.maps(image, [phrases[0] for _, phrases in item.classes], self.score)
        return Sampled(image, maps.cpu().numpy(), surest(maps).cpu().numpy())
