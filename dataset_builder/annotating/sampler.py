"""In place of what draws images: pictures are read, captioned where asked for, and labelled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from dataset_builder.annotating.captioner import Captioner, check_captioner
from dataset_builder.annotating.wording import captioned
from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe
from dataset_builder.vocabulary import Vocabulary
from diffusers_attnmask.ground.device import device_called
from diffusers_attnmask.ground.pictures import read_image


class Labeller(Protocol):
    """Labels images uint8 (H, W, 3) of any sizes, as their items say what they may show.

    `model` and `method` are the names for the dataset's columns, `tells` what else is told, as of samplers.
    `check` raises unless the recipe's model is there and of the right kind, and reads no weights.
    """

    def __init__(self, recipe: Recipe) -> None: ...

    @staticmethod
    def check(recipe: Recipe) -> None: ...

    @property
    def model(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def tells(self) -> Collection[str]: ...

    def __call__(
        self, images: Sequence[np.ndarray], items: Sequence[PromptItem], seeds: Sequence[int]
    ) -> list[Sampled | Refused]: ...


@dataclass(frozen=True)
class PictureSampler:
    """A sampler whose images are there already."""

    labeller: Labeller
    captioner: Captioner | None
    vocabulary: Vocabulary
    known: bool  # whether a table says which classes a picture shows
    longest_side: int | None

    @property
    def model(self) -> str:
        return self.labeller.model

    @property
    def method(self) -> str:
        return self.labeller.method

    @property
    def tells(self) -> Collection[str]:
        return self.labeller.tells

    def __call__(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]:
        """A picture that cannot be read, or whose caption names no class, is told of and left out."""
        found: dict[int, Sampled | Refused] = {}
        asked: dict[int, tuple[np.ndarray, PromptItem]] = {}
        for place, item in enumerate(items):
            try:
                image = self.read(item)
            except (ValueError, OSError) as mistake:
                found[place] = Refused(str(mistake), "picture not readable")
                continue
            said = self.said(item, image)
            if isinstance(said, Refused):
                found[place] = said
            else:
                asked[place] = image, said
        images, own_items = [image for image, _ in asked.values()], [item for _, item in asked.values()]
        labelled = self.labeller(images, own_items, [seeds[place] for place in asked])
        for place, item, own in zip(asked, own_items, labelled, strict=True):
            found[place] = own if isinstance(own, Refused) else replace(own, item=item)
        return [found[place] for place in range(len(items))]

    def read(self, item: PromptItem) -> np.ndarray:
        """The picture uint8 (H, W, 3), no larger than is wanted."""
        assert item.condition is not None  # the picture of an item of `PicturePlan`
        image = read_image(Path(item.condition))
        longest = max(image.shape[:2])
        if self.longest_side is None or longest <= self.longest_side:
            return image
        sides = [max(1, round(side * self.longest_side / longest)) for side in image.shape[1::-1]]
        return np.asarray(Image.fromarray(image).resize((sides[0], sides[1]), Image.Resampling.LANCZOS))

    def said(self, item: PromptItem, image: np.ndarray) -> PromptItem | Refused:
        """The item with a caption in place of the list of its classes."""
        if self.captioner is None:
            return item
        (caption,) = self.captioner([Image.fromarray(image)])
        names = item.class_names if self.known else None
        own = captioned(caption, names, self.vocabulary, str(item.condition))
        return own or Refused(f"the caption {caption!r} names no class", "caption without class")


def picture_sampler(recipe: Recipe) -> PictureSampler:
    """Who labels the pictures of a recipe, loaded."""
    pictures = recipe.pictures
    assert pictures is not None
    captioner = pictures.captioner and Captioner(pictures.captioner, device_called(recipe.sampling.device))
    return PictureSampler(
        labeller_of(recipe),
        captioner or None,
        recipe.open_vocabulary(),
        pictures.table is not None,
        pictures.longest_side,
    )


def check_models(recipe: Recipe) -> None:
    """Raise unless the models are there and of the right kind; their weights are not read."""
    assert recipe.pictures is not None
    labeller_class(recipe).check(recipe)
    if recipe.pictures.captioner is not None:
        check_captioner(recipe.pictures.captioner)


def labeller_of(recipe: Recipe) -> Labeller:
    return labeller_class(recipe)(recipe)


def labeller_class(recipe: Recipe) -> type[Labeller]:
    assert recipe.pictures is not None
    if recipe.pictures.by == "attention":
        from dataset_builder.annotating.by_attention import AttentionLabeller

        return AttentionLabeller
    if recipe.pictures.by == "sam":
        from dataset_builder.annotating.by_sam import SamLabeller

        return SamLabeller
    from dataset_builder.annotating.by_segmenter import SegmenterLabeller

    return SegmenterLabeller
