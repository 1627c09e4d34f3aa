"""AffinityNet on the GPU of the process that draws the images, whose features travel with them.

Worker processes stay on the CPU: each would hold a CUDA context of its own, which is more memory than the
network, beside a sampler that may fill the GPU. Without a GPU the workers make the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dataset_builder.building.sampler import AroundSampler, Refused, Sampled, Sampler
from dataset_builder.prompts import PromptItem
from dataset_builder.refinement.affinity.network import AffinityNet
from dataset_builder.refinement.affinity.training import load_affinity_net
from dataset_builder.refinement.refine_mask import image_features
from diffusers_attnmask.ground.device import best_device


@dataclass(frozen=True)
class FeaturedSampler(AroundSampler):
    """A sampler whose images come with their features by a network, on the network's own device."""

    network: AffinityNet

    def __call__(self, items: Sequence[PromptItem], seeds: Sequence[int]) -> list[Sampled | Refused]:
        drawn = self.sampler(items, seeds)
        return [own if isinstance(own, Refused) else self.featured(own) for own in drawn]

    def featured(self, sampled: Sampled) -> Sampled:
        return replace(sampled, features=image_features(self.network, sampled.image))


def featured(sampler: Sampler, network: str) -> Sampler:
    """The sampler with the network of this folder, where there is a GPU for it."""
    device = best_device()
    if device == "cpu":
        return sampler
    return FeaturedSampler(sampler, load_affinity_net(Path(network)).to(device))
