import pytest
import torch

from dataset_builder import random_walk
from dataset_builder.refinement.affinity.neighbourhood import half_disc


def dense_walk(features, maps, radius, beta, log2_steps):
    """The definition: the dense transition matrix squared again and again, float64."""
    height, width = features.shape[1:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([y, x], -1).reshape(-1, 2).double()
    points = features.flatten(1).T.double()
    affinity = (-(points[:, None] - points[None]).abs().mean(-1)).exp() ** beta
    affinity = affinity * (torch.cdist(place, place) < radius)
    walk = affinity / affinity.sum(1, keepdim=True)
    for _ in range(log2_steps):
        walk = walk @ walk
    return (walk @ maps.flatten(1).T.double()).T.reshape(maps.shape)


@pytest.mark.parametrize(("radius", "beta", "log2_steps"), [(5, 16, 8), (3, 8, 3), (1.5, 16, 8), (5, 0, 2)])
def test_the_walk_is_the_dense_definition(radius, beta, log2_steps):
    torch.manual_seed(0)
    features, maps = torch.rand(6, 17, 14), torch.rand(3, 17, 14)
    walked = random_walk(features, maps, radius=radius, beta=beta, log2_steps=log2_steps)
    expected = dense_walk(features, maps, radius, beta, log2_steps)
    assert (walked - expected).abs().max() < 1e-4


def test_half_a_disc_and_its_mirror_are_all_neighbours_nearer_than_the_radius():
    half = half_disc(5)
    whole = set(half) | {(-dy, -dx) for dy, dx in half}
    expected = {
        (y, x) for y in range(-9, 10) for x in range(-9, 10) if 0 < y * y + x * x < 25
    }  # fmt: skip
    assert whole == expected and len(half) * 2 == len(whole)


def test_values_spread_within_a_region_and_not_across_its_edge():
    features = torch.zeros(1, 12, 12)
    features[:, :, 6:] = 5.0
    maps = torch.zeros(1, 12, 12)
    maps[0, 5, 2] = 1.0
    walked = random_walk(features, maps)
    assert walked[0, :, 6:].max() < 1e-6
    assert walked[0, :, :6].std() < 1e-2 * walked[0, :, :6].mean()


def test_a_constant_map_stays_and_a_single_point_is_its_own_neighbour():
    walked = random_walk(torch.rand(4, 9, 9), torch.full((2, 9, 9), 0.3))
    assert torch.allclose(walked, torch.full((2, 9, 9), 0.3), atol=1e-5)
    point = torch.rand(2, 1, 1)
    assert torch.allclose(random_walk(torch.rand(4, 1, 1), point), point)


@pytest.mark.parametrize(
    ("features", "maps", "message"),
    [
        (torch.rand(4, 8, 8), torch.rand(1, 8, 9), "over one grid"),
        (torch.rand(8, 8), torch.rand(1, 8, 8), "over one grid"),
        (torch.full((4, 8, 8), torch.nan), torch.rand(1, 8, 8), "must be finite"),
        (torch.rand(4, 8, 8), torch.full((1, 8, 8), torch.inf), "must be finite"),
    ],
)
def test_bad_input_is_refused_in_one_line(features, maps, message):
    with pytest.raises(ValueError, match=message):
        random_walk(features, maps)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="radius=0"):
        random_walk(torch.rand(4, 8, 8), torch.rand(1, 8, 8), radius=0)
