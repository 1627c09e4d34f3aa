"""Outlines on the image's edges, beside scikit-image's watershed and colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from skimage.filters import sobel
from skimage.segmentation import watershed

from dataset_builder.refinement.outlines import changes, flooded, gradient, snapped

IGNORED = 255


def star(side: int = 128, points: int = 5) -> np.ndarray:
    y, x = np.mgrid[:side, :side] / side - 0.5
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    sawtooth = np.abs((angle * points / (2 * np.pi)) % 1 - 0.5) * 2
    return (radius < 0.16 + 0.26 * sawtooth).astype(np.uint8)


def painted(mask: np.ndarray) -> np.ndarray:
    """A shape lit from above on a ground that gets darker, both a little grainy."""
    shade = np.linspace(1, 0.7, len(mask))[:, None, None]
    image = np.where(mask[..., None] > 0, (208, 48, 44), (52, 160, 72)) * shade
    return (image + np.random.default_rng(0).normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)


def as_attention_sees(mask: np.ndarray, sigma: float = 3) -> np.ndarray:
    """With round corners."""
    return (gaussian_filter(mask.astype(float), sigma) > 0.5).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_flooding_is_the_watershed(seed):
    rng = np.random.default_rng(seed)
    height = rng.permutation(37 * 53).reshape(37, 53).astype(float)
    seeds = np.where(rng.random((37, 53)) < 0.02, rng.integers(0, 4, (37, 53)), -1)
    np.testing.assert_array_equal(flooded(height, seeds), watershed(height, seeds + 1) - 1)


def test_the_gradient_is_that_of_lab():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    colours = np.moveaxis(rgb2lab(image), -1, 0)
    expected = np.sqrt(sum(sobel(colour, axis=axis) ** 2 for colour in colours for axis in (0, 1)))
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(gradient(image)[inner] / 4, expected[inner], rtol=1e-3)


def test_changes_lie_on_both_sides():
    labels = np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(changes(labels), [[0, 1, 1], [0, 1, 1], [0, 0, 1]])


@pytest.mark.parametrize("side", [128, 256])
def test_round_corners_become_sharp_ones(side):
    truth = star(side)
    rough = as_attention_sees(truth, 3 * side / 128)
    found = snapped(painted(truth), torch.from_numpy(rough)).numpy()
    wrong_before, wrong = (rough != truth).sum(), (found != truth).sum()
    assert found.dtype == np.uint8
    assert wrong < wrong_before / 2, (wrong, wrong_before)


def test_ignored_pixels_go_to_the_side_of_their_colour():
    truth = star()
    labels = np.where(changes(as_attention_sees(truth)), IGNORED, as_attention_sees(truth)).astype(np.uint8)
    found = snapped(painted(truth), torch.from_numpy(labels)).numpy()
    assert set(np.unique(found)) == {0, 1}
    assert (found != truth).mean() < 0.01


def test_what_is_thinner_than_the_reach_is_not_lost():
    labels = np.zeros((128, 128), np.uint8)
    labels[40:100, 60:62] = 3
    grey = np.full((128, 128, 3), 90, np.uint8)
    assert (snapped(grey, torch.from_numpy(labels)).numpy()[40:100, 60:62] == 3).all()


@pytest.mark.parametrize("value", [0, 2, IGNORED])
def test_a_mask_without_outlines_stays(value):
    labels = torch.full((32, 32), value, dtype=torch.uint8)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert torch.equal(snapped(image, labels), labels)
