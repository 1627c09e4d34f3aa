"""Outlines moved to the edges that the image itself has."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, uniform_filter
from torch import Tensor

from dataset_builder.refinement.components import PUBLISHED_AREA
from diffusers_attnmask.ground.ids import IGNORE_ID

RADIUS = 32.0  # of the filter's windows, in pixels of a 512 x 512 image
FLATNESS = 1e-3  # colour variance, of values in [0, 1], below which a window counts as flat
PASSES = 2


def snapped(image: np.ndarray, labels: Tensor, radius: float = RADIUS, passes: int = PASSES) -> Tensor:
    """Labels (H, W) with their outlines on the edges of an image uint8 (H, W, 3); ignored pixels are decided.

    Attention is coarser than the image, so that an outline is a few pixels off and its corners are round.
    Each label's indicator goes through a guided filter, and a pixel takes the label that is highest there.
    """
    given = labels.cpu().numpy()
    names = np.setdiff1d(given, IGNORE_ID)
    if len(names) == 0:
        return labels
    nearest = distance_transform_edt(given == IGNORE_ID, return_distances=False, return_indices=True)
    places = np.searchsorted(names, given[tuple(nearest)])
    window = 2 * round(radius * np.sqrt(given.size / PUBLISHED_AREA)) + 1
    guide = GuidedFilter(image / 255, window)
    for _ in range(passes if len(names) > 1 else 0):
        places = np.stack([guide(places == place) for place in range(len(names))]).argmax(0)
    return torch.from_numpy(names[places]).to(labels.device)


class GuidedFilter:
    """The filter of He, Sun and Tang (TPAMI 2013), guided by a colour image float (H, W, 3): in every window
    of `window` pixels the result is the linear function of the colours that is nearest to the input."""

    def __init__(self, guide: np.ndarray, window: int, flatness: float = FLATNESS) -> None:
        self.guide, self.window = guide, window
        self.mean = self.averaged(guide)
        products = self.averaged(guide[..., :, None] * guide[..., None, :])
        covariance = products - self.mean[..., :, None] * self.mean[..., None, :]
        self.inverse = np.linalg.inv(covariance + flatness * np.eye(3))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values (H, W), filtered."""
        mean = self.averaged(values.astype(float))
        covariance = self.averaged(self.guide * values[..., None]) - self.mean * mean[..., None]
        slope = (self.inverse @ covariance[..., None])[..., 0]
        offset = mean - (slope * self.mean).sum(-1)
        return (self.averaged(slope) * self.guide).sum(-1) + self.averaged(offset)

    def averaged(self, values: np.ndarray) -> np.ndarray:
        """Means over the windows of an array (H, W, ...), whose border is repeated beyond it."""
        return uniform_filter(values, self.window, mode="nearest", axes=(0, 1))
