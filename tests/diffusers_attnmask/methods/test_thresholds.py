"""Thresholds against scikit-image and against DiffuMask's description spelt out."""

import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu

from diffusers_attnmask.methods.thresholds import (
    adaptive_threshold,
    label_above,
    label_between,
    otsu_threshold,
)


def blob(seed, share=0.3):
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(40, 50, generator=generator) * 0.5
    values[: round(40 * share)] += 0.45
    return values


@pytest.mark.parametrize("seed", range(5))
def test_otsu_is_that_of_scikit_image(seed):
    heatmap = blob(seed)
    assert otsu_threshold(heatmap) == pytest.approx(threshold_otsu(heatmap.double().numpy()), abs=0.004)


def test_otsu_of_a_flat_map_labels_nothing_twice():
    assert otsu_threshold(torch.full((4, 4), 0.3)) == pytest.approx(0.3)


def spelt_out(values, low, high, min_share):
    bins = np.arange(low, high + 0.005, 0.01)
    counts = [((values >= a) & (values < a + 0.01)).sum() for a in bins[:-1]]
    threshold = bins[int(np.argmax(counts))]
    while (values > threshold).mean() < min_share and threshold > 0.03:
        threshold -= 0.03
    while (values <= threshold).mean() < min_share and threshold < 0.97:
        threshold += 0.03
    return threshold


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bounds", [(0.45, 0.53), (0.48, 0.58)])
@pytest.mark.parametrize("scale", [0.4, 1.0])
def test_adaptive_is_the_published_search(seed, bounds, scale):
    heatmap = blob(seed) * scale
    expected = spelt_out(heatmap.double().numpy(), *bounds, 0.06)
    assert adaptive_threshold(heatmap, bounds) == pytest.approx(expected, abs=1e-9)


def test_foreground_lies_above_the_adaptive_threshold_and_not_on_it():
    """Four pixels lie below 0.45, less than 6 %, and two on it: were these foreground, it would rise."""
    heatmap = torch.cat([torch.full((4,), 0.1), torch.full((2,), 0.45), torch.full((90,), 0.9)])
    assert adaptive_threshold(heatmap.double().round(decimals=2)) == pytest.approx(0.45)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_adaptive_threshold_of_a_flat_map_stays_inside_the_open_range(value):
    threshold = adaptive_threshold(torch.full((4, 4), value))
    assert 0 < threshold < 1
    assert label_above(torch.full((1, 4, 4), value), [threshold]).unique().tolist() == [int(value)]


def test_the_strongest_class_above_its_own_threshold_wins():
    heatmaps = torch.tensor([[[0.9, 0.6, 0.2, 0.0]], [[0.8, 0.7, 0.3, 0.5]]])
    assert label_above(heatmaps, [0.5, 0.75]).tolist() == [[1, 1, 0, 0]]
    assert label_above(heatmaps, [0.0, 0.0]).tolist() == [[1, 2, 2, 2]]


def test_pixels_between_the_thresholds_are_uncertain():
    heatmaps = torch.tensor([[[0.61, 0.5, 0.1]], [[0.2, 0.59, 0.49]]])
    assert label_between(heatmaps, 0.6, 0.5).tolist() == [[1, 255, 0]]
    assert label_between(heatmaps, 0.6, 0.5).dtype == torch.uint8
