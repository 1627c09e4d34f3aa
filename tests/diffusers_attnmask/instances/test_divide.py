"""Objects in masks: connected parts, and cuts where touching parts do not attend to each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusers_attnmask.instances.divide import covered_places, divided, neighbour_links, pooled, reading_for
from diffusers_attnmask.instances.options import InstanceOptions, instance_options
from diffusers_attnmask.methods import Daam, DatasetDiffusion

COMPONENTS = InstanceOptions(by="components", least_area=0)


def discs(*places, side=128):
    """Which disc (from 1 on) each pixel belongs to; places are (row, column, radius)."""
    y, x = np.mgrid[:side, :side]
    truth = np.zeros((side, side), np.uint8)
    for number, (row, column, radius) in enumerate(places, start=1):
        truth[np.hypot(y - row, x - column) <= radius] = number
    return truth


def attention(truth, cells, apart):
    """Self-attention (N, N) over a grid: to the own disc, and a share `apart` of that to all else."""
    step = truth.shape[0] // cells
    own = torch.from_numpy(truth[step // 2 :: step, step // 2 :: step].astype(np.int64)).flatten()
    alike = torch.where(own[:, None] == own, 1.0, apart)
    return alike / alike.sum(1, keepdim=True)


def agreement(found, truth):
    """The least IoU of an object of the truth with the best of those found."""
    return min(
        max(
            ((found == ours) & (truth == own)).sum() / ((found == ours) | (truth == own)).sum()
            for ours in np.unique(found[found > 0])
        )
        for own in np.unique(truth[truth > 0])
    )


def test_objects_that_stand_apart_are_numbered_class_after_class():
    truth = discs((30, 30, 16), (96, 30, 16), (64, 96, 20))
    mask = np.array([0, 2, 2, 1], np.uint8)[truth]
    found = divided(mask, None, (0, 0), COMPONENTS)
    np.testing.assert_array_equal(found, np.array([0, 2, 3, 1])[truth])


def test_specks_go_with_the_nearest_object_and_the_largest_speck_stays():
    mask = discs((30, 30, 16), (30, 52, 2)) > 0
    assert divided(mask.astype(np.uint8), None, (0, 0), InstanceOptions(by="components")).max() == 1
    alone = (discs((30, 30, 3)) > 0).astype(np.uint8)
    assert divided(alone, None, (0, 0), InstanceOptions(by="components")).max() == 1


def test_touching_objects_come_apart_where_they_do_not_attend_to_each_other():
    truth = discs((44, 44, 28), (80, 80, 28))
    mask = (truth > 0).astype(np.uint8)
    assert divided(mask, None, (0, 0), COMPONENTS).max() == 1
    found = divided(mask, attention(truth, 32, 0.02), (32, 32), InstanceOptions())
    assert found.max() == 2 and agreement(found, truth) > 0.93
    np.testing.assert_array_equal(found > 0, mask > 0)


def test_an_outline_alone_tells_less_than_attention():
    """Two discs that overlap widely: their outline has no neck to speak of."""
    truth = discs((54, 54, 26), (74, 74, 26))
    mask = (truth > 0).astype(np.uint8)
    found = divided(mask, attention(truth, 32, 0.001), (32, 32), InstanceOptions())
    assert found.max() == 2 and agreement(found, truth) > 0.9
    assert divided(mask, attention(truth, 32, 0.001), (32, 32), InstanceOptions(trust=0.0)).max() == 1


def test_one_object_that_attends_to_itself_stays_whole():
    truth = discs((64, 64, 40))
    assert divided(truth, attention(truth, 32, 0.1), (32, 32), InstanceOptions()).max() == 1


def test_background_and_uncertain_pixels_belong_to_no_object():
    truth = discs((44, 44, 28), (80, 80, 28))
    truth[:10] = 255
    found = divided(truth, attention(truth, 32, 0.02), (32, 32), InstanceOptions())
    assert not found[(truth == 0) | (truth == 255)].any()


def test_neighbour_links_are_as_written():
    """Link by link: ((A + Aᵀ) / 2) ** trust · exp(−d² / 2 reach²), distances in sides of the image."""
    rng, how = np.random.default_rng(0), InstanceOptions(trust=0.4, reach=0.3)
    matrix = rng.random((6, 6))
    links = neighbour_links(matrix, (2, 3), how)
    for i in range(6):
        for j in range(6):
            dy = (i // 3 - j // 3) / 2
            dx = (i % 3 - j % 3) / 3
            mutual = ((matrix[i, j] + matrix[j, i]) / 2) ** 0.4
            assert links[i, j] == pytest.approx(mutual * np.exp(-(dy**2 + dx**2) / (2 * 0.3**2)))


def test_fine_grids_are_pooled():
    """Each block of the coarse matrix is the mean of the places that it gathers."""
    matrix = torch.rand(64 * 40, 64 * 40, generator=torch.Generator().manual_seed(0))
    coarse, grid = pooled(matrix, (64, 40))
    assert grid == (32, 32) and coarse.shape == (1024, 1024)
    matrix = torch.rand(64 * 2, 64 * 2, generator=torch.Generator().manual_seed(0))
    coarse, grid = pooled(matrix, (64, 2))
    assert grid == (32, 2)
    rows = [(2 * r + k) * 2 + c for r, c in [(5, 1)] for k in (0, 1)]
    columns = [(2 * r + k) * 2 + c for r, c in [(9, 0)] for k in (0, 1)]
    assert coarse[5 * 2 + 1, 9 * 2] == pytest.approx(matrix[rows][:, columns].mean().item(), rel=1e-6)


def test_a_place_is_covered_by_half_of_its_pixels():
    region = np.zeros((8, 8), bool)
    region[:4, :4] = True
    region[4:8, 4:6] = True
    region[0, 4:] = True
    assert covered_places(region, (2, 2)).tolist() == [True, False, False, True]


def test_the_methods_own_self_attention_is_read_where_it_has_any(sites):
    own = DatasetDiffusion(self_level=0)
    assert reading_for(InstanceOptions(), own, sites) in own.readings(sites)
    assert reading_for(InstanceOptions(), Daam(), sites).choice.levels == (1,)
    assert reading_for(InstanceOptions(self_level=0), own, sites).choice.levels == (0,)
    assert reading_for(InstanceOptions(by="components"), own, sites) is None


def test_a_model_without_self_attention_is_refused(sites):
    blind = [site for site in sites if not site.reads_image]
    with pytest.raises(ValueError, match=r"compares no place with another.*instances='components'"):
        reading_for(InstanceOptions(), Daam(), blind)


@pytest.fixture
def sites():
    from diffusers_attnmask.families import check_supported
    from tests.small_models import sd15

    pipe = sd15()
    return check_supported(pipe).sites(pipe)


def test_options_may_be_one_word():
    assert instance_options("components") == InstanceOptions(by="components")
    assert instance_options(COMPONENTS) is COMPONENTS
    with pytest.raises(ValueError, match=r"by must be .*not 'boxes'"):
        instance_options("boxes")
