"""SAM on the GPU of the process that draws the images, whose masks arrive refined.

Worker processes stay on the CPU, as `featured_sampler` explains. Without a GPU each of them has its own SAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataset_builder.building.candidates import fault_of
from dataset_builder.building.sampler import AroundSampler, Refused, Sampled, Sampler
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Refinement
from dataset_builder.refinement.refine_mask import refined_mask
from diffusers_attnmask.ground.device import device_called


@dataclass(frozen=True)
class SettledSampler(AroundSampler):
    """A sampler whose masks are refined where it is sound to look at them at all."""

    refinement: Refinement

    def __call__(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]:
        drawn = self.sampler(items, seeds)
        return [self.settled(own, item.class_names) for own, item in zip(drawn, items, strict=True)]

    def settled(self, drawn: Sampled | Refused, names: Sequence[str]) -> Sampled | Refused:
        if isinstance(drawn, Refused) or fault_of(drawn):
            return drawn
        mask = refined_mask(drawn.image, drawn.heatmaps, drawn.mask, names, self.refinement)
        return replace(drawn, refined=mask)


def settled(sampler: Sampler, refinement: Refinement) -> Sampler:
    """The sampler with the refinement's SAM beside it, where there is a GPU for it."""
    if device_called(refinement.sam.device) == "cpu":
        return sampler
    return SettledSampler(sampler, refinement)
