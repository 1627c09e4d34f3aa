"""Outlines on the image's edges, and the guided filter beside a regression in every window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from dataset_builder.refinement.outlines import GuidedFilter, snapped
from diffusers_attnmask.ground.ids import IGNORE_ID


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


def test_the_guided_filter_is_a_ridge_regression_in_every_window():
    rng = np.random.default_rng(0)
    side, window, flatness = 21, 5, 0.01
    guide, values = rng.random((side, side, 3)), rng.random((side, side)) > 0.5
    found = GuidedFilter(guide, window, flatness)(values)
    reach = window // 2
    models = {}
    for row in range(reach, side - reach):
        for column in range(reach, side - reach):
            here = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
            colours, wanted = guide[here].reshape(-1, 3), values[here].ravel().astype(float)
            # the penalty of slopes as three more rows of an ordinary least-squares problem
            system = np.block(
                [
                    [colours, np.ones((len(colours), 1))],
                    [np.sqrt(flatness * len(colours)) * np.eye(3), np.zeros((3, 1))],
                ]
            )
            models[row, column] = np.linalg.lstsq(system, np.append(wanted, np.zeros(3)), rcond=None)[0]
    for row in range(2 * reach, side - 2 * reach):
        for column in range(2 * reach, side - 2 * reach):
            around = [
                models[row + down, column + right]
                for down in range(-reach, reach + 1)
                for right in range(-reach, reach + 1)
            ]
            expected = np.append(guide[row, column], 1) @ np.mean(around, axis=0)
            assert found[row, column] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("side", [128, 256])
def test_round_corners_become_sharp_ones(side):
    truth = star(side)
    rough = as_attention_sees(truth, 3 * side / 128)
    found = snapped(painted(truth), torch.from_numpy(rough)).numpy()
    wrong_before, wrong = (rough != truth).sum(), (found != truth).sum()
    assert found.dtype == np.uint8
    assert wrong < wrong_before / 2, (wrong, wrong_before)


def test_three_labels_and_ignored_pixels():
    truth = star()
    truth[:40, :40] = 7  # a flat square beside the star
    image = painted(truth)
    image[:40, :40] = (48, 92, 204)
    labels = as_attention_sees(truth == 1) + 7 * as_attention_sees(truth == 7)
    labels[np.random.default_rng(0).random(labels.shape) < 0.05] = IGNORE_ID
    found = snapped(image, torch.from_numpy(labels)).numpy()
    assert set(np.unique(found)) == {0, 1, 7}
    assert (found != truth).sum() < (labels != truth)[labels != IGNORE_ID].sum()


@pytest.mark.parametrize("value", [0, 2, IGNORE_ID])
def test_a_mask_without_outlines_stays(value):
    labels = torch.full((32, 32), value, dtype=torch.uint8)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert torch.equal(snapped(image, labels), labels)
