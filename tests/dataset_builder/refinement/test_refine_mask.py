"""Refinement by name: each method does what its steps do, and what it says of the mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dataset_builder.building import featured_sampler
from dataset_builder.building.featured_sampler import FeaturedSampler
from dataset_builder.building.row import refined
from dataset_builder.building.sampler import Refused, Sampled
from dataset_builder.recipe import Refinement
from dataset_builder.refinement import refine_mask
from dataset_builder.refinement.affinity.augment import ViewOptions, normalised
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from dataset_builder.refinement.affinity.training import (
    AffinityExample,
    AffinityTraining,
    affinity_features,
    load_affinity_net,
    train_affinity_net,
)
from dataset_builder.refinement.diffumask_chain import refine_pair
from dataset_builder.refinement.refine_mask import refine_options
from diffusers_attnmask.ground.ids import IGNORE_ID

SIDE = 64
TRUTH = np.zeros((SIDE, SIDE), np.uint8)
TRUTH[16:48, 16:48] = 1


@pytest.fixture
def sampled() -> Sampled:
    """A bright square on a dark ground; its map and mask are a disc."""
    rng = np.random.default_rng(0)
    image = np.where(TRUTH[..., None] == 1, (220, 60, 40), (20, 60, 120)) + rng.integers(
        -9, 10, (SIDE, SIDE, 3)
    )
    y, x = np.mgrid[:SIDE, :SIDE] - 31.5
    heatmap = np.clip(1.2 - np.hypot(x, y) / 24, 0, 1).astype(np.float32)
    mask = (heatmap > 0.4).astype(np.uint8)
    return Sampled(image.clip(0, 255).astype(np.uint8), heatmap[None], mask)


def iou(mask: np.ndarray) -> float:
    return ((mask == 1) & (TRUTH == 1)).sum() / ((mask == 1) | (TRUTH == 1)).sum()


def test_none_keeps_the_methods_mask(sampled):
    assert refined(sampled, ["square"], Refinement()) is sampled.mask


@pytest.mark.parametrize("method", ["crf", "match"])
def test_the_mask_is_drawn_to_the_edges_of_the_image(sampled, method):
    mask = refined(sampled, ["square"], Refinement(method))
    assert mask.dtype == np.uint8
    assert iou(mask) > max(0.9, iou(sampled.mask))


def test_the_crf_leaves_uncertain_pixels_uncertain(sampled):
    sampled.mask[:8] = 255
    mask = refined(sampled, ["square"], Refinement("crf"))
    assert (mask[:8] == 255).all()
    assert (mask[8:] != 255).all()
    decided = refined(sampled, ["square"], Refinement("crf", uncertain="decide"))
    assert (decided[:8] == 0).all() and (decided[8:] == mask[8:]).all()


def test_none_cannot_decide_uncertain_pixels():
    with pytest.raises(ValueError, match="uncertain decide needs a method"):
        Refinement(uncertain="decide")
    with pytest.raises(ValueError, match="uncertain"):
        Refinement("crf", uncertain="maybe")


def test_holes_are_filled_unless_they_are_wanted(sampled):
    sampled.mask[:], sampled.image[:] = TRUTH, np.where(TRUTH[..., None] == 1, (220, 60, 40), (20, 60, 120))
    hole = (slice(26, 38), slice(26, 38))
    sampled.mask[hole], sampled.image[hole] = 0, (20, 60, 120)
    assert (refined(sampled, ["square"], Refinement("crf"))[hole] == 1).all()
    assert (refined(sampled, ["square"], Refinement("crf", fill=False))[hole] == 0).all()


def test_small_parts_are_dropped(sampled):
    sampled.mask[2:6, 2:6] = 1
    sampled.image[2:6, 2:6] = sampled.image[32, 32]
    assert refined(sampled, ["square"], Refinement("crf", box_area=0))[3, 3] == 1
    assert refined(sampled, ["square"], Refinement("crf", box_area=2000))[3, 3] == 0


@pytest.fixture
def network(sampled, tmp_path):
    """The folder of a small AffinityNet."""
    torch.manual_seed(0)
    example = AffinityExample(torch.from_numpy(sampled.image), torch.from_numpy(TRUTH))
    training = AffinityTraining(epochs=1, batch_size=1, view=ViewOptions(crop=SIDE))
    net = AffinityNet(AffinityNetOptions(out_channels=16, widths=(8, 8, 8)))
    train_affinity_net(net, [example], training, tmp_path, progress=False)
    return tmp_path


def test_affinity_is_the_published_chain_with_the_given_network(sampled, network):
    options = Refinement("affinity", network=str(network), box_area=0)
    mask = refined(sampled, ["square"], options)
    features = affinity_features(load_affinity_net(network), normalised(torch.from_numpy(sampled.image)))
    expected, _ = refine_pair(
        sampled.image, torch.from_numpy(sampled.heatmaps), ["square"], features, refine_options(options)
    )
    np.testing.assert_array_equal(mask, expected.numpy())


def test_features_that_come_with_the_image_are_those_of_the_network_here(sampled, network, monkeypatch):
    """As where the process that draws has a GPU: the one that refines then needs no network."""
    options = Refinement("affinity", network=str(network), box_area=0)
    expected = refined(sampled, ["square"], options)
    sampler = FeaturedSampler(lambda items, seeds: [sampled, Refused("too long")], load_affinity_net(network))
    featured, refused = sampler([], [])
    assert featured.features.shape == (16, SIDE // 8, SIDE // 8) and refused == Refused("too long")

    def no_network(folder):
        raise AssertionError("the features are there")

    monkeypatch.setattr(refine_mask, "loaded", no_network)
    np.testing.assert_array_equal(refined(featured, ["square"], options), expected)


def test_the_process_that_draws_makes_features_only_where_it_has_a_gpu(network, monkeypatch):
    def sampler(items, seeds):
        return []

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert featured_sampler.featured(sampler, str(network)) is sampler
    devices = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(AffinityNet, "to", lambda own, device: devices.append(device) or own)
    assert isinstance(featured_sampler.featured(sampler, str(network)), FeaturedSampler)
    assert devices == ["cuda"]


def test_whole_regions_with_any_method(sampled):
    """Two squares of one colour, whose maps differ by noise and, a little, by where they are strongest."""
    rng = np.random.default_rng(0)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    truth[8:28, 4:24], truth[34:58, 34:60] = 1, 2
    image = np.where(truth[..., None] > 0, 200, 40).astype(np.uint8).repeat(3, axis=-1)
    near = [np.where(truth == own, 1.0, 0.95) * (truth > 0) for own in (1, 2)]
    maps = np.stack(near) * rng.uniform(0.6, 1, (2, SIDE, SIDE))
    maps = (maps / maps.max()).astype(np.float32)
    pair = Sampled(image, maps, np.where(truth > 0, maps.argmax(0) + 1, 0).astype(np.uint8))
    for method in ("none", "crf", "match"):
        mixed = refined(pair, ["dog", "cat"], Refinement(method))
        whole = refined(pair, ["dog", "cat"], Refinement(method, whole_regions=True))
        assert (mixed == truth).mean() < 0.95 < 0.98 < (whole == truth).mean(), method


def test_outlines_on_edges_after_any_method(sampled):
    """A square whose mask is a pixel too far to the right, with an uncertain rim."""
    truth = np.zeros((SIDE, SIDE), np.uint8)
    truth[20:44, 20:44] = 1
    image = np.where(truth[..., None] > 0, 200, 40).astype(np.uint8).repeat(3, axis=-1)
    mask = np.roll(truth, 1, axis=1)
    mask[19, 21:45] = IGNORE_ID
    pair = Sampled(image, truth[None].astype(np.float32), mask)
    for method in ("none", "crf", "match"):
        options = Refinement(method, snap=True, uncertain="decide")
        assert (refined(pair, ["dog"], options) != truth).sum() <= 4, method  # the corners
    kept = refined(pair, ["dog"], Refinement(snap=True))
    np.testing.assert_array_equal(kept == IGNORE_ID, mask == IGNORE_ID)
    assert (kept != truth)[kept != IGNORE_ID].sum() <= 4


def test_the_number_of_threads_is_left_as_it_was(sampled):
    before = torch.get_num_threads()
    refined(sampled, ["square"], Refinement("crf"))
    assert torch.get_num_threads() == before
