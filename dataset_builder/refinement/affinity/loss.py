"""What AffinityNet learns: alike within a label, different across labels (Ahn & Kwak 2018, eq. 6)."""

import torch
from torch import Tensor

from dataset_builder.refinement.affinity.neighbourhood import affinity, both_ends, half_disc
from diffusers_attnmask.ground.ids import IGNORE_ID

EPSILON = 1e-5  # in the logarithms and the counts


def affinity_loss(features: Tensor, labels: Tensor, radius: float = 5) -> Tensor:
    """bg/4 + fg/4 + neg/2: mean negative log-likelihoods of the pairs of grid points within the radius.

    `features` (B, D, h, w); `labels` (B, h, w) of class ids, 0 background. A pair with an ignored end (255)
    does not count; one that shares a label should be alike, another one different. A batch without any pair
    of a kind has 0 for that kind.
    """
    sums = features.new_zeros(3)  # background, foreground, negative
    counts = features.new_zeros(3)
    for offset in half_disc(radius):
        near, far = both_ends(labels, offset)
        known = (near != IGNORE_ID) & (far != IGNORE_ID)
        alike = known & (near == far)
        kinds = torch.stack([alike & (near == 0), alike & (near > 0), known & (near != far)]).to(
            features.dtype
        )
        value = affinity(features, offset)
        attract = -(value + EPSILON).log()
        repel = -(1 + EPSILON - value).log()
        sums = sums + (kinds * torch.stack([attract, attract, repel])).sum((1, 2, 3))
        counts = counts + kinds.sum((1, 2, 3))
    background, foreground, negative = sums / (counts + EPSILON)
    return background / 4 + foreground / 4 + negative / 2
