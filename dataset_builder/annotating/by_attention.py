"""Pictures labelled by the attention of a diffusion model that looks at them under a little noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from dataset_builder.building.diffumask_sampler import DiffuMaskSampler, fitting_model
from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe


class AttentionLabeller:
    """A loaded pipeline with a recipe's settings, asked by `segment`."""

    tells = DiffuMaskSampler.tells

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.pictures is not None
        self.sampler, self.pictures = DiffuMaskSampler(recipe), recipe.pictures
        self.model, self.method = self.sampler.model, self.sampler.method

    @staticmethod
    def check(recipe: Recipe) -> None:
        fitting_model(recipe)

    def __call__(
        self, images: Sequence[np.ndarray], items: Sequence[PromptItem], seeds: Sequence[int]
    ) -> list[Sampled | Refused]:
        """Pictures of one size are looked at together."""
        found: dict[int, Sampled | Refused] = {}
        together: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, why in enumerate(self.sampler.refusals(items)):
            if why is None:
                together[images[place].shape].append(place)
            else:
                found[place] = Refused(why)
        for places in together.values():
            seen = self.looked_at(
                [images[place] for place in places],
                [items[place] for place in places],
                [seeds[place] for place in places],
            )
            found |= zip(places, seen, strict=True)
        return [found[place] for place in range(len(items))]

    def looked_at(
        self, images: Sequence[np.ndarray], items: Sequence[PromptItem], seeds: Sequence[int]
    ) -> list[Sampled]:
        sampler = self.sampler
        output = sampler.pipe.segment(
            [Image.fromarray(image) for image in images],
            [item.text for item in items],
            [list(item.classes) for item in items],
            strength=self.pictures.strength,
            looks=self.pictures.looks,
            mask_method=sampler.asked_method,
            mask_options=sampler.method_options,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
            instances=sampler.instances or "components",
            drop_absent=sampler.drop_absent,
        )
        return [
            Sampled(
                image,
                heatmaps.float().cpu().numpy(),
                np.asarray(mask, np.uint8),
                objects=None if sampler.instances is None else objects.ids,
                presence=presence.numpy(),
            )
            for image, heatmaps, mask, objects, presence in zip(
                images, output.heatmaps, output.masks, output.instances, output.presence, strict=True
            )
        ]
