"""The steps in their published order: class maps to labels to affinity to masks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from dataset_builder.refinement.affinity.labels import affinity_labels, label_map
from dataset_builder.refinement.affinity.neighbourhood import Radius
from dataset_builder.refinement.affinity.random_walk import MOST_LOG2_STEPS, random_walk
from dataset_builder.refinement.class_thresholds import class_thresholds
from dataset_builder.refinement.components import clean_components
from dataset_builder.refinement.crf import AFFINITY_LABELS, FINAL, CRFOptions
from dataset_builder.refinement.threshold import GAMMAS, threshold_by_match
from diffusers_attnmask.ground.options import NotNegative, Positive, Share, options


@options
class RefineOptions:
    """DiffuMask's settings. With `scale_crf`, pixel distances are relative to the image's size."""

    label_crf: CRFOptions = AFFINITY_LABELS
    final_crf: CRFOptions = FINAL
    scale_crf: bool = True
    radius: Radius = 5
    beta: Positive = 16
    log2_steps: Annotated[int, Field(ge=0, le=MOST_LOG2_STEPS)] = 8
    background_score: Share = 0.45
    affinity_box_area: NotNegative = 250
    gammas: Annotated[tuple[Share, ...], Field(min_length=1)] = GAMMAS
    final_box_area: NotNegative = 1500
    fill: bool = True  # the holes of outlines
    thresholds: Path | None = None  # a table such as `class_thresholds.yaml`

    def for_size(self, height: int, width: int) -> "RefineOptions":
        if not self.scale_crf:
            return self
        return replace(
            self,
            label_crf=self.label_crf.scaled_to(height, width),
            final_crf=self.final_crf.scaled_to(height, width),
        )


def confident_labels(
    image: np.ndarray | Tensor, maps: Tensor, names: Sequence[str], options: RefineOptions
) -> Tensor:
    """What AffinityNet learns: uint8 (H, W), i+1 for class i of maps (C, H, W), 0, or 255 where unsure."""
    check_pair(image, maps, names)
    constants = [class_thresholds(name, options.thresholds) for name in names]
    return affinity_labels(image, maps, constants, options.for_size(*maps.shape[1:]).label_crf)


def affinity_mask(features: Tensor, maps: Tensor, options: RefineOptions) -> Tensor:
    """Labels (H, W) of maps (C, H, W) that walked along the affinity of features (D, h, w)."""
    pooled = adaptive_avg_pool2d(maps, (features.shape[1], features.shape[2]))
    walked = random_walk(
        features, pooled, radius=options.radius, beta=options.beta, log2_steps=options.log2_steps
    )
    upsampled = interpolate(walked[None], maps.shape[1:], mode="bilinear", align_corners=False)[0]
    return clean_components(
        label_map(upsampled, options.background_score), options.affinity_box_area, options.fill
    )


def refine_pair(
    image: np.ndarray | Tensor, maps: Tensor, names: Sequence[str], features: Tensor, options: RefineOptions
) -> tuple[Tensor, list[float]]:
    """The mask uint8 (H, W) of one pair, i+1 for class i of maps (C, H, W), and each class's threshold."""
    check_pair(image, maps, names)
    reference = affinity_mask(features, maps, options)
    crf = options.for_size(*maps.shape[1:]).final_crf
    labels, gammas = threshold_by_match(image, maps, reference, crf, options.gammas)
    return clean_components(labels, options.final_box_area, options.fill), gammas


def check_pair(image: np.ndarray | Tensor, maps: Tensor, names: Sequence[str]) -> None:
    if maps.ndim != 3 or 0 in maps.shape or len(maps) != len(names):
        raise ValueError(f"maps {tuple(maps.shape)} must be (C, H, W), one for each of {list(names)}")
    if tuple(image.shape) != (*maps.shape[1:], 3):
        raise ValueError(
            f"image {tuple(image.shape)} and maps {tuple(maps.shape)} differ in size: resize the maps first"
        )
    for map, name in zip(maps, names, strict=True):
        low, high = (bound.item() for bound in torch.aminmax(map))
        if not (low >= 0 and high <= 1):  # NaN fails both
            raise ValueError(
                f"the map of {name!r} spans {low:.4g} to {high:.4g}: it must hold numbers from 0 to 1"
            )
