"""Colours are told apart by all eyes, and equal steps of the heat scale look equal."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from diffusers_attnmask.ground.heat import SCALE, heat_picture
from diffusers_attnmask.ground.oklab import EYES, from_oklab, oklab
from diffusers_attnmask.ground.palette import SAFE_PALETTE, VOC_PALETTE


def test_oklab_is_the_published_one():
    """The pairs of XYZ and Lab that stand in the publication, by way of the linear light of sRGB."""
    to_srgb = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.969266, 1.8760108, 0.041556],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    light = to_srgb @ np.array([0.950, 1.000, 1.089])
    srgb = 255 * np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    assert oklab(srgb) == pytest.approx([1, 0, 0], abs=2e-3)
    assert oklab(np.array([255, 0, 0])) == pytest.approx([0.628, 0.225, 0.126], abs=1e-3)


def test_a_colour_comes_back_from_oklab():
    colours = np.random.default_rng(0).integers(0, 256, (200, 3))
    assert np.abs(from_oklab(oklab(colours)).astype(int) - colours).max() <= 1


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_sees_white_as_white(eye):
    assert np.allclose(oklab(np.array([255, 255, 255]), eye), [1, 0, 0], atol=1e-3)


def least_distance(palette, eye: str, count: int) -> float:
    seen = oklab(np.array(palette[1 : count + 1]), eye)
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


@pytest.mark.parametrize("eye", EYES)
def test_twenty_classes_are_told_apart_by_every_eye(eye):
    assert least_distance(SAFE_PALETTE, eye, 20) > 0.07 > least_distance(VOC_PALETTE, eye, 20)


def test_the_palette_has_a_colour_for_every_id():
    assert len(set(SAFE_PALETTE)) == 256
    assert SAFE_PALETTE[0] == (0, 0, 0)


@pytest.mark.parametrize("eye", EYES)
def test_more_heat_is_lighter_to_every_eye(eye):
    assert (np.diff(oklab(SCALE[::8].astype(float), eye)[:, 0]) > 0).all()


def test_equal_steps_of_heat_look_equal():
    steps = np.linalg.norm(np.diff(oklab(SCALE[::15].astype(float)), axis=0), axis=1)
    assert steps.max() < 1.1 * steps.min()


def test_a_map_runs_along_the_scale():
    pixels = np.asarray(heat_picture(np.array([[0, 0.5, 1, 7, np.nan]])))[0]
    assert np.array_equal(pixels, SCALE[[0, 128, 255, 255, 0]])
