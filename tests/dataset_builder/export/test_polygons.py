"""Outlines against slow references: they fill to their region, and turn at its corners alone."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.export.polygons import outline, outlines
from train_segmenter.data.coco_file import region


def filled(ring, shape):
    """Even-odd rule at the middle of every pixel, edge by edge."""
    inside = np.zeros(shape, bool)
    for y in range(shape[0]):
        for x in range(shape[1]):
            crossings = 0
            for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], *ring[:1]], strict=True):
                if (y0 <= y + 0.5) != (y1 <= y + 0.5):
                    crossings += x + 0.5 < x0 + (y + 0.5 - y0) / (y1 - y0) * (x1 - x0)
            inside[y, x] = crossings % 2
    return inside


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_an_outline_fills_to_its_region(seed, share):
    """With holes, parts, and parts that meet at corners."""
    pixels = np.random.default_rng(seed).random((7, 9)) < share
    np.testing.assert_array_equal(filled(outline(pixels), pixels.shape), pixels)


@pytest.mark.parametrize("seed", range(4))
def test_coco_draws_the_same_pixels(seed):
    pixels = np.kron(np.random.default_rng(seed).random((4, 5)) < 0.6, np.ones((5, 4))) > 0
    points = [float(own) for point in outline(pixels) for own in point]
    np.testing.assert_array_equal(region([points], *pixels.shape, "here"), pixels)


def test_a_ring_has_two_outlines_and_each_only_its_corners():
    ring = np.ones((4, 5), bool)
    ring[1:3, 2:4] = False
    assert outlines(ring) == [
        [(0, 0), (5, 0), (5, 4), (0, 4)],
        [(2, 1), (2, 3), (4, 3), (4, 1)],
    ]


def test_nothing_has_no_outline():
    assert outline(np.zeros((3, 3), bool)) == []
