"""Whole regions: which there are, and which class each gets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dataset_builder.refinement.regions import apart, assigned, whole_regions


def discs(*places: tuple[int, int, int], side: int = 128) -> np.ndarray:
    """Which disc (from 1 on) each pixel belongs to; places are (row, column, radius)."""
    y, x = np.mgrid[:side, :side]
    truth = np.zeros((side, side), np.uint8)
    for number, (row, column, radius) in enumerate(places, start=1):
        truth[np.hypot(y - row, x - column) <= radius] = number
    return truth


def uncertain_maps(truth: np.ndarray, classes: int, lead: float = 0.05) -> torch.Tensor:
    """Maps that are almost the same in all objects: in its own, a class leads by less than the noise."""
    generator = torch.Generator().manual_seed(0)
    own = torch.from_numpy(np.stack([truth == number + 1 for number in range(classes)])).float()
    maps = torch.from_numpy(truth > 0) * (0.8 + lead * own)
    return (maps - 0.1 + 0.2 * torch.rand(maps.shape, generator=generator)).clamp(0, 1)


def settled(truth: np.ndarray, classes: int) -> np.ndarray:
    maps = uncertain_maps(truth, classes)
    noisy = torch.where(torch.from_numpy(truth > 0), maps.argmax(0) + 1, 0).to(torch.uint8)
    assert (noisy.numpy() == truth)[truth > 0].mean() < 0.9
    return whole_regions(noisy, maps, 1500).numpy()


def test_objects_that_stand_apart_have_one_class_each():
    truth = discs((30, 30, 16), (90, 84, 24))
    np.testing.assert_array_equal(settled(truth, 2), truth)


def test_three_objects():
    truth = discs((28, 28, 16), (92, 92, 24), (30, 96, 12))
    np.testing.assert_array_equal(settled(truth, 3), truth)


def test_objects_that_touch_come_apart_at_their_neck():
    truth = discs((44, 44, 22), (80, 80, 30))
    found = settled(truth, 2)
    assert (found == truth).mean() > 0.98
    assert set(np.unique(found)) == {0, 1, 2}


def test_several_objects_of_a_class_are_found():
    truth = discs((30, 30, 16), (96, 30, 16), (64, 96, 20))
    truth[truth == 2], truth[truth == 3] = 1, 2
    np.testing.assert_array_equal(settled(truth, 2), truth)


@pytest.mark.parametrize("classes", [1, 2])
def test_one_region_stays_as_it_is(classes):
    truth = discs((64, 64, 30))
    maps = torch.rand(classes, 128, 128)
    labels = torch.where(torch.from_numpy(truth > 0), maps.argmax(0) + 1, 0).to(torch.uint8)
    assert torch.equal(whole_regions(labels, maps, 1500), labels)


@pytest.mark.parametrize("fill", [0, 255])
def test_a_mask_without_a_foreground_stays_as_it_is(fill):
    labels = torch.full((32, 32), fill, dtype=torch.uint8)
    assert torch.equal(whole_regions(labels, torch.rand(2, 32, 32), 1500), labels)


def test_background_and_ignored_pixels_stay():
    truth = discs((30, 30, 16), (90, 84, 24))
    labels = torch.from_numpy(truth.copy())
    labels[:10] = 255
    found = whole_regions(labels, uncertain_maps(truth, 2), 1500)
    assert ((found == 255) == (labels == 255)).all() and ((found == 0) == (labels == 0)).all()


def test_specks_are_no_region_and_go_with_their_neighbour():
    truth = discs((40, 40, 20), (100, 100, 20))
    mask = truth.copy()
    mask[64:67, 62:65] = 2  # nearer to the first disc
    found = whole_regions(torch.from_numpy(mask), uncertain_maps(truth, 2), 1500).numpy()
    assert (found[64:67, 62:65] == 1).all()


def test_the_least_area_is_in_pixels_of_a_512_image():
    small = discs((40, 40, 20), (100, 100, 5))  # 81 pixels, 1296 of a 512 x 512 image
    assert apart(small > 0, 2, 1500) is None
    assert len(apart(small > 0, 2, 1000)) == 2


def test_the_image_border_is_no_neck():
    """Depth is measured to the border, too, so that an object cut by it is as thick as it looks."""
    bar = np.zeros((128, 128), bool)
    bar[:12] = True
    assert apart(bar, 2, 1500) is None


def test_assignment_is_the_best_that_leaves_no_class_out():
    rng = np.random.default_rng(0)
    for regions, classes in itertools.product((2, 3, 5), (2, 3)):
        if regions < classes:
            continue
        strengths = rng.random((regions, classes))
        relative = strengths / strengths.max(0)
        complete = (
            own for own in itertools.product(range(classes), repeat=regions) if len(set(own)) == classes
        )
        best = max(complete, key=lambda own: relative[np.arange(regions), own].sum())
        assert tuple(assigned(strengths)) == best
