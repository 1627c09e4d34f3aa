"""From class maps to labels: thresholds, and the class that wins a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffusers_attnmask.ground.ids import IGNORE_ID


def otsu_threshold(heatmap: Tensor, bins: int = 256) -> float:
    """The value that parts a map (H, W) into two classes of least variance (Otsu 1979)."""
    values = heatmap.detach().flatten().double().cpu()
    low, high = values.min().item(), values.max().item()
    if low == high:
        return high
    counts = torch.histc(values, bins, low, high)
    width = (high - low) / bins
    centres = low + width * (torch.arange(bins, dtype=torch.float64) + 0.5)
    below = counts.cumsum(0)
    above = counts.sum() - below
    mass_below = (counts * centres).cumsum(0)
    mean_below = mass_below / below
    mean_above = (mass_below[-1] - mass_below) / above.clamp(min=1)
    between = below * above * (mean_below - mean_above) ** 2
    return centres[between[:-1].argmax()].item()


def adaptive_threshold(
    heatmap: Tensor,
    bounds: tuple[float, float] = (0.45, 0.53),
    bin_width: float = 0.01,
    min_share: float = 0.06,
    move: float = 0.03,
) -> float:
    """DiffuMask's threshold of a map (H, W) in [0, 1]: the fullest bin within the bounds (Wu et al. 2023).

    It is moved towards the side that holds less than `min_share` of the image, as long as it stays within
    (0, 1) and does not turn back. What lies above it is foreground, as the publication has it in text and
    code (the scores are means above and below): a pixel that equals the threshold is not.
    """
    low, high = bounds
    edges = torch.arange(low, high + bin_width / 2, bin_width, dtype=torch.float64)
    values = heatmap.detach().flatten().double().cpu()
    threshold = edges[torch.histogram(values, edges).hist.argmax()].item()
    moved = 0.0
    while True:
        above = (values > threshold).double().mean().item()
        step = -move if above < min_share else move if 1 - above < min_share else 0.0
        if step == 0.0 or step == -moved or not 0 < threshold + step < 1:
            return threshold
        threshold, moved = threshold + step, step


def label_above(heatmaps: Tensor, thresholds: Sequence[float]) -> Tensor:
    """Ids (H, W) uint8 of the strongest of the classes (C, H, W) that reach their own threshold, else 0."""
    limits = torch.tensor(thresholds, dtype=heatmaps.dtype, device=heatmaps.device)[:, None, None]
    strength, winner = heatmaps.masked_fill(heatmaps < limits, -1.0).max(0)
    return torch.where(strength >= 0, winner + 1, 0).to(torch.uint8)


def label_between(heatmaps: Tensor, certain: float, possible: float) -> Tensor:
    """Ids (H, W): the arg-max class where it reaches `certain`, 255 where it reaches `possible`, else 0."""
    strength, winner = heatmaps.max(0)
    ids = torch.where(strength >= possible, IGNORE_ID, 0)
    return torch.where(strength >= certain, winner + 1, ids).to(torch.uint8)
