"""The refinement of one pair by the method that a recipe or a command names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dataset_builder.recipe import Refinement
from dataset_builder.refinement.affinity.augment import normalised
from dataset_builder.refinement.affinity.network import AffinityNet
from dataset_builder.refinement.affinity.training import affinity_features, load_affinity_net
from dataset_builder.refinement.components import clean_components
from dataset_builder.refinement.crf import crf_labels
from dataset_builder.refinement.diffumask_chain import RefineOptions, check_pair, refine_pair
from dataset_builder.refinement.outlines import snapped
from dataset_builder.refinement.regions import whole_regions
from dataset_builder.refinement.sam.refine import sam_labels
from dataset_builder.refinement.threshold import threshold_by_match
from diffusers_attnmask.ground.ids import BACKGROUND_ID, IGNORE_ID


def refined_mask(
    image: np.ndarray,
    maps: np.ndarray,
    mask: np.ndarray,
    names: Sequence[str],
    refinement: Refinement,
    features: np.ndarray | None = None,
) -> np.ndarray:
    """The mask uint8 (H, W) to keep of an image uint8 (H, W, 3) with class maps float32 (C, H, W).

    `mask`, the attention's own, and the result say i + 1 for the i-th class. Uncertain pixels (255) stay
    with "none", and with "crf", "sam" and snap unless they are to be decided. Regions are settled before the
    CRF or SAM, which then draw their outlines; "match" and "affinity" start from the maps, so that theirs are
    settled after it. Outlines are moved to the image's edges last.
    `features` float32 (D, h, w) are the image's by AffinityNet, where another process has made them; by
    default the network that `refinement` names makes them on the CPU.
    """
    class_maps = torch.from_numpy(maps)
    check_pair(image, class_maps, names)
    labels = torch.from_numpy(mask)
    if refinement.whole_regions:
        labels = whole_regions(labels, class_maps, refinement.box_area)
    if refinement.method == "crf":
        labels = _sharpened(image, labels, refinement)
    elif refinement.method == "sam":
        labels = _by_sam(image, labels, class_maps, names, refinement)
    elif refinement.method != "none":
        labels = _from_maps(image, class_maps, labels, names, refinement, features)
        if refinement.whole_regions:
            labels = whole_regions(labels, class_maps, refinement.box_area)
    if refinement.snap:
        unsure = labels == IGNORE_ID
        labels = snapped(image, labels)
        if refinement.uncertain == "keep":
            labels = labels.masked_fill(unsure, IGNORE_ID)
    return labels.numpy()


def _sharpened(image: np.ndarray, labels: Tensor, refinement: Refinement) -> Tensor:
    unsure = labels == IGNORE_ID
    crf = refine_options(refinement).for_size(*labels.shape).final_crf
    sharp = crf_labels(image, labels.masked_fill(unsure, BACKGROUND_ID)[None], crf)[0]
    if refinement.uncertain == "keep":
        sharp = sharp.masked_fill(unsure, IGNORE_ID)
    return clean_components(sharp, refinement.box_area, refinement.fill)


def _by_sam(
    image: np.ndarray, labels: Tensor, maps: Tensor, names: Sequence[str], refinement: Refinement
) -> Tensor:
    assert refinement.model is not None  # a Refinement by this method has one
    large = clean_components(labels, refinement.box_area, fill=False)
    outlined = sam_labels(image, large, maps, names, refinement.model, refinement.sam)
    if refinement.uncertain == "keep":
        outlined = outlined.masked_fill(labels == IGNORE_ID, IGNORE_ID)
    return clean_components(outlined, refinement.box_area, fill=False)


def _from_maps(
    image: np.ndarray,
    maps: Tensor,
    mask: Tensor,
    names: Sequence[str],
    refinement: Refinement,
    features: np.ndarray | None,
) -> Tensor:
    options = refine_options(refinement)
    if refinement.method == "affinity":
        if features is None:
            assert refinement.network is not None  # a Refinement by this method has one
            features = image_features(loaded(Path(refinement.network)), image)
        return refine_pair(image, maps, names, torch.from_numpy(features), options)[0]
    certain = mask.masked_fill(mask == IGNORE_ID, BACKGROUND_ID)
    crf = options.for_size(*mask.shape).final_crf
    labels, _ = threshold_by_match(image, maps, certain, crf, options.gammas)
    return clean_components(labels, options.final_box_area, options.fill)


def refine_options(refinement: Refinement) -> RefineOptions:
    published = RefineOptions()
    return replace(
        published,
        label_crf=replace(published.label_crf, backend=refinement.backend),
        final_crf=replace(published.final_crf, backend=refinement.backend),
        scale_crf=refinement.scale_crf,
        final_box_area=refinement.box_area,
        fill=refinement.fill,
    )


@cache
def loaded(folder: Path) -> AffinityNet:
    return load_affinity_net(folder)


def image_features(net: AffinityNet, image: np.ndarray) -> np.ndarray:
    """AffinityNet's features float32 (D, h, w) of an image uint8 (H, W, 3), on the network's own device."""
    return affinity_features(net, normalised(torch.from_numpy(image))).numpy()
