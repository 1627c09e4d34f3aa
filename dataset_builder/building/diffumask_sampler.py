"""Images and class maps from `DiffuMaskPipeline`, one generator per image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe
from diffusers_attnmask.bundled import named_model
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.ground.options import Fault, OptionsError
from diffusers_attnmask.instances.divide import reading_for
from diffusers_attnmask.loading.asking import call_arguments
from diffusers_attnmask.loading.fitting import check_fit
from diffusers_attnmask.loading.load import load_pipeline
from diffusers_attnmask.loading.memory import planned_model
from diffusers_attnmask.loading.source import ModelSource


class DiffuMaskSampler:
    """A loaded pipeline with a recipe's settings."""

    tells = frozenset(("presence", "objects"))

    def __init__(self, recipe: Recipe) -> None:
        if recipe.sampling.threads:
            torch.set_num_threads(recipe.sampling.threads)
        self.settings = recipe.sampling
        try:
            self.pipe = load_pipeline(recipe.model, recipe.sampling, recipe.revision)
        except OptionsError as mistake:
            raise OptionsError([fault.under("sampling") for fault in mistake.faults]) from mistake
        self.pipe.set_progress_bar_config(disable=True)
        self.asked_method = recipe.method
        self.method = recipe.method or self.pipe.mask_settings.method
        self.model = model_name(recipe)
        self.drop_absent = recipe.drop_absent or False
        self.instances = recipe.instances
        own = recipe.open_vocabulary().method_options(self.method)
        self.method_options = {**own, **recipe.method_options}
        self.check_readable()

    def check_readable(self) -> None:
        """Raise where the model lacks what the method or the objects are to be read from."""
        family = check_supported(self.pipe)
        method = self.pipe.mask_settings.resolve(self.asked_method, family, self.method_options)
        sites, faults = family.sites(self.pipe), []
        if why := method.unfit(sites):
            faults.append(
                Fault("method_options" if self.method_options else "method", f" of {self.method}: {why}")
            )
        elif self.instances is not None:
            try:
                reading_for(self.instances, method, sites)
            except ValueError as mistake:
                key = "instances" if self.instances.self_level is None else "instances.self_level"
                faults.append(Fault(key, f": {mistake}"))
        if faults:
            raise OptionsError(faults)

    def __call__(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]:
        """An image per prompt and seed. Prompts that the method refuses are left out before sampling."""
        refusals = self.refusals(items)
        taken = [place for place, why in enumerate(refusals) if why is None]
        drawn = self.drawn([items[place] for place in taken], [seeds[place] for place in taken])
        images = dict(zip(taken, drawn, strict=True))
        return [images[place] if why is None else Refused(why) for place, why in enumerate(refusals)]

    def refusals(self, items: Sequence[PromptItem]) -> list[str | None]:
        """Why the method refuses each of the prompts, if so."""
        return self.pipe.refusals(
            [item.text for item in items],
            [list(item.classes) for item in items],
            self.asked_method,
            self.method_options,
        )

    def drawn(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled]:
        if not items:
            return []
        conditions = [item.condition for item in items if item.condition is not None]
        arguments = call_arguments(self.pipe, self.settings, self.settings.steps, conditions)
        if any(item.negative for item in items):
            arguments["negative_prompt"] = [item.negative for item in items]
        output = self.pipe(
            [item.text for item in items],
            classes=[list(item.classes) for item in items],
            mask_method=self.asked_method,
            mask_options=self.method_options,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
            instances=self.instances or "components",
            drop_absent=self.drop_absent,
            **arguments,
        )
        blanked = output.get("nsfw_content_detected") or [False] * len(items)
        return [
            Sampled(
                (np.nan_to_num(image).clip(0, 1) * 255).round().astype(np.uint8),
                heatmaps.float().cpu().numpy(),
                np.asarray(mask, np.uint8),
                bool(flag),
                not np.isfinite(image).all(),
                objects=None if self.instances is None else objects.ids,
                presence=presence.numpy(),
            )
            for image, heatmaps, mask, flag, objects, presence in zip(
                output.images,
                output.heatmaps,
                output.masks,
                blanked,
                output.instances,
                output.presence,
                strict=True,
            )
        ]


def fitting_model(recipe: Recipe) -> ModelSource:
    """The recipe's diffusion model, which takes its options; no weight of it is read."""
    source = planned_model(recipe.model, recipe.sampling, recipe.revision)
    try:
        check_fit(source, recipe.sampling)
    except OptionsError as mistake:
        raise OptionsError([fault.under("sampling") for fault in mistake.faults]) from mistake
    return source


def model_name(recipe: Recipe) -> str:
    """What the `model` column says: a folder's or file's own name, without the way to it."""
    path = named_model(recipe.model)
    return path.resolve().name if path.exists() else recipe.model
