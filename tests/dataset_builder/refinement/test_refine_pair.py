import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import tiny_world
from dataset_builder.refinement.components import clean_components
from dataset_builder.refinement.crf import FINAL, crf_labels
from dataset_builder.refinement.diffumask_chain import (
    RefineOptions,
    affinity_mask,
    confident_labels,
    refine_pair,
)
from dataset_builder.refinement.threshold import intersection_over_union, threshold_by_match

OPTIONS = RefineOptions()


def blurred_pair(seed, blur=5.0):
    """A tiny-world image, its exact mask with ids counted from 1, blurred maps (C, H, W), and class names."""
    image, mask, _, names = tiny_world.render(seed)
    ids = [identity for identity in np.unique(mask) if identity > 0]
    names = [tiny_world.CLASSES[identity - 1] for identity in ids]
    maps = np.stack([gaussian_filter((mask == identity).astype(np.float32), blur) for identity in ids])
    maps /= maps.max((1, 2), keepdims=True)
    exact = np.zeros_like(mask)
    for index, identity in enumerate(ids, start=1):
        exact[mask == identity] = index
    return torch.from_numpy(image.copy()), torch.from_numpy(exact), torch.from_numpy(maps), names


def colour_features(image, stride=4):
    pixels = image.float().permute(2, 0, 1)[None] / 16
    return torch.nn.functional.avg_pool2d(pixels, stride)[0]


def mean_iou(labels, exact, classes):
    return np.mean([float(intersection_over_union(labels == i, exact == i)) for i in range(1, classes + 1)])


def test_refinement_improves_blurred_maps_of_one_and_of_several_classes():
    gains, several = [], 0
    for seed in range(6):
        image, exact, maps, names = blurred_pair(seed)
        labels, gammas = refine_pair(image, maps, names, colour_features(image), OPTIONS)
        assert labels.dtype == torch.uint8 and len(gammas) == len(names)
        raw = torch.where(maps.amax(0) > 0.3, maps.argmax(0) + 1, 0)
        gains.append(mean_iou(labels, exact, len(names)) - mean_iou(raw, exact, len(names)))
        several += len(names) > 1
    assert several > 0
    assert np.mean(gains) > 0.02


def test_each_class_takes_the_threshold_that_matches_best():
    image, exact, maps, _ = blurred_pair(3)
    gammas = (0.2, 0.35, 0.5, 0.65)
    labels, chosen = threshold_by_match(image, maps, exact, FINAL.scaled_to(128, 128), gammas)
    for index, gamma in enumerate(chosen, start=1):
        scores = []
        for candidate in gammas:
            raw = torch.where(maps.amax(0) > candidate, maps.argmax(0) + 1, 0)
            sharpened = crf_labels(image, raw[None], FINAL.scaled_to(128, 128))[0]
            scores.append(float(intersection_over_union(sharpened == index, exact == index)))
        assert gamma in [g for g, score in zip(gammas, scores, strict=True) if score > max(scores) - 0.01]
    assert set(labels.unique().tolist()) <= set(range(len(maps) + 1))


def test_components_are_filled_and_small_ones_dropped_at_the_image_scale():
    labels = torch.zeros(128, 128, dtype=torch.uint8)
    labels[10:40, 10:40] = 1
    labels[20:30, 20:30] = 0  # a hole
    labels[22:24, 22:24] = 2  # a part of another class within it
    labels[100:104, 100:104] = 1  # 16 px here are 256 px at 512 x 512
    labels[110, 10] = 255
    cleaned = clean_components(labels, least_box_area=250)
    assert (cleaned[20:22, 20:30] == 1).all() and (cleaned[22:24, 22:24] == 0).all()
    assert (cleaned[100:104, 100:104] == 1).all() and cleaned[110, 10] == 255
    assert (clean_components(labels, least_box_area=260)[100:104, 100:104] == 0).all()
    assert labels[25, 25] == 0  # the input is as it was


def test_diagonal_neighbours_are_one_component_and_its_box_counts():
    line = torch.eye(64, dtype=torch.uint8)
    assert torch.equal(clean_components(line, least_box_area=1500), line)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_maps_give_a_defined_mask(value):
    image = torch.zeros(64, 64, 3, dtype=torch.uint8)
    maps = torch.full((1, 64, 64), value)
    labels, _ = refine_pair(image, maps, ["dog"], colour_features(image), OPTIONS)
    assert (labels == int(value)).all()
    assert (confident_labels(image, maps, ["dog"], OPTIONS) == int(value)).all()


def test_a_one_pixel_object_is_dropped():
    image, maps = torch.zeros(64, 64, 3, dtype=torch.uint8), torch.zeros(1, 64, 64)
    maps[0, 30, 30] = 1.0
    labels, _ = refine_pair(image, maps, ["dog"], colour_features(image), OPTIONS)
    assert not labels.any()
    assert not affinity_mask(colour_features(image), maps, OPTIONS).any()


@pytest.mark.parametrize(
    ("maps", "names", "message"),
    [
        (torch.full((1, 32, 32), torch.nan), ["dog"], "the map of 'dog' spans nan"),
        (torch.full((1, 32, 32), 3.0), ["dog"], "the map of 'dog' spans 3 to 3"),
        (torch.rand(1, 32, 31), ["dog"], "differ in size"),
        (torch.rand(2, 32, 32), ["dog"], r"one for each of \['dog'\]"),
        (torch.rand(0, 32, 32), [], "must be"),
    ],
)
def test_bad_input_is_refused_in_one_line(maps, names, message):
    image = torch.zeros(32, 32, 3, dtype=torch.uint8)
    for step in (
        lambda: refine_pair(image, maps, names, torch.rand(3, 8, 8), OPTIONS),
        lambda: confident_labels(image, maps, names, OPTIONS),
    ):
        with pytest.raises(ValueError, match=message):
            step()
