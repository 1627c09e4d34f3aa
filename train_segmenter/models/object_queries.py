"""From the queries of Mask2Former to objects: the published rules of instance and panoptic inference.

Queries answer with logits of classes (Q, K + 1), the last one "no object", and of masks (Q, H, W).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

MOST_FOUND = 100  # objects of a picture
CERTAIN = 0.8  # of a class, for a query that has a part in panoptic segments
LEAST_VISIBLE = 0.8  # of a query's own mask that other queries must leave it


class FoundObjects(NamedTuple):
    """Objects that may overlap: masks bool (n, H, W), classes (n,) and scores (n,), the best first."""

    masks: Tensor
    classes: Tensor
    scores: Tensor


class FoundSegments(NamedTuple):
    """Segments without overlap: numbers int64 (H, W), 0 for none, and the class of each, from 1 on."""

    numbers: Tensor
    classes: list[int]


def found_objects(class_logits: Tensor, mask_logits: Tensor, things: Collection[int]) -> FoundObjects:
    """The likeliest pairs of a query and a class, scored by the class and by how sure the mask is.

    Cheng et al., CVPR 2022: a score is that of the class times the mean probability within the mask.
    """
    own = torch.tensor(sorted(things), device=class_logits.device)
    scores = class_logits.float().softmax(-1)[:, own]
    best, places = scores.flatten().topk(min(MOST_FOUND, scores.numel()))
    queries, classes = places // len(own), own[places % len(own)]
    probabilities = mask_logits[queries].float().sigmoid()
    masks = probabilities > 0.5
    areas = masks.sum((1, 2))
    sure = (probabilities * masks).sum((1, 2)) / areas.clamp(min=1)
    final, order = (best * sure).masked_fill(areas == 0, 0).sort(descending=True, stable=True)
    kept = order[final > 0]
    return FoundObjects(masks[kept], classes[kept], final[final > 0])


def found_segments(class_logits: Tensor, mask_logits: Tensor, things: Collection[int]) -> FoundSegments:
    """Every pixel to the query that claims it most; the segments of a class that is no thing are one.

    Cheng et al., NeurIPS 2021, section 3.4: queries that are unsure, and those mostly hidden, have no part.
    """
    scores, labels = class_logits.float().softmax(-1).max(-1)
    kept = (labels < class_logits.shape[-1] - 1) & (scores > CERTAIN)
    numbers = torch.zeros(mask_logits.shape[-2:], dtype=torch.long, device=mask_logits.device)
    if not kept.any():
        return FoundSegments(numbers, [])
    probabilities = mask_logits[kept].float().sigmoid()
    winner = (scores[kept, None, None] * probabilities).argmax(0)
    claimed = winner == torch.arange(len(probabilities), device=winner.device)[:, None, None]
    whole, visible = probabilities >= 0.5, claimed & (probabilities >= 0.5)
    shown = visible.any((1, 2)) & (claimed.sum((1, 2)) >= LEAST_VISIBLE * whole.sum((1, 2)))
    classes: list[int] = []
    for place, label in zip(shown.nonzero().flatten().tolist(), labels[kept][shown].tolist(), strict=True):
        if label in things or label not in classes:
            classes.append(label)
        number = len(classes) if label in things else classes.index(label) + 1
        numbers[visible[place]] = number
    return FoundSegments(numbers, classes)
