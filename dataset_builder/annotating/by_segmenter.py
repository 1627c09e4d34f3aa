"""Pictures labelled by a trained segmenter, seg-diffusion included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dataset_builder.building.diffumask_sampler import model_name
from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.device import device_called
from diffusers_attnmask.ground.ids import BACKGROUND
from train_segmenter.augmentation.transforms import to_tensor
from train_segmenter.evaluation.inference import Inference
from train_segmenter.models import load
from train_segmenter.models.registry import CONFIGS, model_folder, names_saved


class SegmenterLabeller:
    """Of the classes that a picture may show, and the background, a pixel is what is most probable."""

    tells = ()

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.pictures is not None
        self.method, self.model = recipe.pictures.by, model_name(recipe)
        names = [own.name for own in recipe.open_vocabulary().classes]
        segmenter = load(recipe.model).to(device_called(recipe.sampling.device))
        if segmenter.open_vocabulary:
            segmenter = segmenter.for_classes((BACKGROUND, *names))
        else:
            _check_known(recipe, segmenter.class_names)
        self.segmenter = segmenter
        self.places = {name: place for place, name in enumerate(segmenter.class_names)}

    @staticmethod
    def check(recipe: Recipe) -> None:
        known = names_saved(model_folder(recipe.model, CONFIGS))
        if known is not None:
            _check_known(recipe, known)

    def __call__(
        self, images: Sequence[np.ndarray], items: Sequence[PromptItem], seeds: Sequence[int]
    ) -> list[Sampled | Refused]:
        return [self.labelled(image, item) for image, item in zip(images, items, strict=True)]

    def labelled(self, image: np.ndarray, item: PromptItem) -> Sampled:
        batch = to_tensor(image)[None].to(self.segmenter.mean.device)
        probabilities = Inference().probabilities(self.segmenter, batch)[0]
        maps = probabilities[[self.places[name] for name in item.class_names]]
        return Sampled(image, maps.cpu().numpy(), self.mask(probabilities, maps).cpu().numpy())

    def mask(self, probabilities: Tensor, maps: Tensor) -> Tensor:
        """Ids uint8 (H, W), i+1 for map i, 0 where the background is at least as probable as all of them."""
        empty = torch.zeros_like(maps[0])
        ground = probabilities[self.places[BACKGROUND]] if BACKGROUND in self.places else empty
        return torch.cat([ground[None], maps]).argmax(0).to(torch.uint8)


def _check_known(recipe: Recipe, known: Sequence[str]) -> None:
    """Refuse a segmenter of classes of its own where others are asked for, or where any are."""
    assert recipe.pictures is not None
    if recipe.pictures.by == "seg-diffusion":
        raise ValueError(f"{recipe.model} is no seg-diffusion: label by segmenter, or take another model")
    if missing := [own.name for own in recipe.open_vocabulary().classes if own.name not in known]:
        raise ValueError(
            f"{recipe.model} does not know {', '.join(missing)}, only {', '.join(known)}: ask for classes "
            "that it knows"
        )
