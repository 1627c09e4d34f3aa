"""The refinement of one sampled pair, by the steps of `dataset_builder.refinement`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset_builder.building.candidates import Sampled
from dataset_builder.recipe import Refinement

if TYPE_CHECKING:
    from dataset_builder.refinement.affinity.network import AffinityNet
    from dataset_builder.refinement.pipeline import RefineOptions

UNCERTAIN = 255


def refined(sampled: Sampled, names: Sequence[str], options: Refinement) -> np.ndarray:
    """The mask uint8 (H, W) to keep, i + 1 for the prompt's i-th class."""
    if options.method == "none":
        return sampled.mask
    with one_thread():
        return by_steps(sampled, names, options)


@contextmanager
def one_thread() -> Iterator[None]:
    """With one thread the result is the same in a worker, in an actor, and in this process."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def by_steps(sampled: Sampled, names: Sequence[str], options: Refinement) -> np.ndarray:
    import torch

    from dataset_builder.refinement.components import clean_components
    from dataset_builder.refinement.crf import crf_labels
    from dataset_builder.refinement.pipeline import refine_pair
    from dataset_builder.refinement.threshold import threshold_by_match

    steps = refine_options(options)
    maps = torch.from_numpy(sampled.heatmaps)
    crf = steps.for_size(*sampled.mask.shape).final_crf
    if options.method == "affinity":
        labels, _ = refine_pair(sampled.image, maps, names, features_of(sampled, options.network), steps)
        return labels.numpy()
    unsure = sampled.mask == UNCERTAIN
    mask = torch.from_numpy(np.where(unsure, 0, sampled.mask))
    if options.method == "match":
        labels, _ = threshold_by_match(sampled.image, maps, mask, crf, steps.gammas)
    else:
        labels = crf_labels(sampled.image, mask[None], crf)[0]
        labels[torch.from_numpy(unsure)] = UNCERTAIN
    return clean_components(labels, options.box_area).numpy()


def refine_options(options: Refinement) -> RefineOptions:
    from dataset_builder.refinement.pipeline import RefineOptions

    published = RefineOptions()
    return replace(
        published,
        label_crf=replace(published.label_crf, backend=options.backend),
        final_crf=replace(published.final_crf, backend=options.backend),
        scale_crf=options.scale_crf,
        final_box_area=options.box_area,
    )


def features_of(sampled: Sampled, network: str):
    """AffinityNet's features (D, h, w) of an image."""
    import torch

    from dataset_builder.refinement.affinity.augment import normalised
    from dataset_builder.refinement.affinity.training import affinity_features

    return affinity_features(loaded(Path(network)), normalised(torch.from_numpy(sampled.image)))


@cache
def loaded(folder: Path) -> AffinityNet:
    from dataset_builder.refinement.affinity.training import load_affinity_net

    return load_affinity_net(folder)
