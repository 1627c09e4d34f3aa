"""The publications' CRF settings, and CRFs over label maps."""

import math
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from dataset_builder.refinement.crf.dense import MOST_ITERATIONS, candidate_groups, checked_image, crf_builder
from diffusers_attnmask.ground.options import NotNegative, Positive, options

PUBLISHED_SIDE = 512  # pixels: standard deviations in pixels are those of a 512 x 512 image


@options
class CRFOptions:
    """`gaussian` and `bilateral` as in `dense_crf`; how sure it is of a given label; over how many labels the
    remaining probability is spread (the publications' 21 of VOC, whichever are present)."""

    gaussian: tuple[Positive, NotNegative] = (3, 3.0)
    bilateral: tuple[Positive, Positive, NotNegative] = (80, 13, 10.0)
    gt_prob: Annotated[float, Field(gt=0, lt=1)] = 0.5
    vocabulary: Annotated[int, Field(ge=2)] = 21
    iterations: Annotated[int, Field(ge=1, le=MOST_ITERATIONS)] = 10
    backend: Literal["torch", "pydensecrf"] = "torch"

    def scaled_to(self, height: int, width: int) -> "CRFOptions":
        """The same reach relative to an image of another size."""
        scale = math.sqrt(height * width) / PUBLISHED_SIDE
        (near, near_weight), (far, colour, far_weight) = self.gaussian, self.bilateral
        return replace(
            self, gaussian=(near * scale, near_weight), bilateral=(far * scale, colour, far_weight)
        )


# DiffuMask (Wu et al. 2023): before AffinityNet, and for the final mask.
AFFINITY_LABELS = CRFOptions(gaussian=(3, 3.0), bilateral=(60, 10, 9.0), gt_prob=0.7)
FINAL = CRFOptions(gaussian=(3, 3.0), bilateral=(80, 13, 10.0), gt_prob=0.5)


def crf_labels(image: np.ndarray | Tensor, labels: Tensor, options: CRFOptions) -> Tensor:
    """Sharpen label maps (K, H, W) of one image uint8 (H, W, 3): the CRF's most probable labels (K, H, W).

    Labels are integers of 0 or more; each pixel's own has probability `gt_prob`, each other one that is
    present in any of the maps an even share of the rest.
    """
    pixels = checked_image(image, labels)
    build = crf_builder(options.gaussian, options.bilateral, options.iterations, options.backend)
    present = torch.bincount(labels.flatten()).nonzero().flatten()
    if len(present) == 1:
        return labels.clone()
    crf = build(pixels)
    others = (1 - options.gt_prob) / (max(options.vocabulary, len(present)) - 1)
    sharpened = torch.empty_like(labels)
    for group in candidate_groups(len(labels), len(present) * labels[0].numel()):
        own = labels[group, None] == present[:, None, None]  # (k, C, H, W)
        probs = torch.where(own, options.gt_prob, others).float()
        sharpened[group] = present[_most_probable(crf.marginals(probs, options.iterations))].to(labels.dtype)
    return sharpened


def _most_probable(marginals: Tensor) -> Tensor:
    """`argmax` over the labels of (K, C, H, W), many times faster for few labels."""
    best, index = marginals[:, 0], torch.zeros_like(marginals[:, 0], dtype=torch.int64)
    for label in range(1, marginals.shape[1]):
        index.masked_fill_(marginals[:, label] > best, label)
        best = torch.maximum(best, marginals[:, label])
    return index
