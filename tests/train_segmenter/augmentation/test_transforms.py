"""Augmentation moves image and mask together, and is a function of its generator."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest

from tests.train_segmenter.shapes import COLOURS, draw
from train_segmenter.augmentation.transforms import Augmentation, augment, random_colour, random_crop

PLAIN = Augmentation(crop=None, scale=(1, 1), flip=0, colour=0)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_views_of_resized_images_take_the_same_part_of_them():
    views = Augmentation(crop=100, scale=(0.8, 1.2))
    assert views.resized(0.5) == Augmentation(crop=50, scale=(0.4, 0.6))
    assert replace(views, crop=None).resized(2) == Augmentation(crop=None, scale=(1.6, 2.4))


def test_nothing_asked_for_changes_nothing():
    image, mask = draw(0)
    new_image, new_mask = augment(image, mask, PLAIN, rng())
    np.testing.assert_array_equal(new_image, image)
    np.testing.assert_array_equal(new_mask, mask)


@pytest.mark.parametrize("seed", range(8))
def test_mask_follows_the_image(seed):
    mask = draw(seed, 48)[1]
    image = COLOURS[mask]
    options = Augmentation(crop=40, scale=(0.6, 1.6), colour=0)
    new_image, new_mask = augment(image, mask, options, rng(seed))
    assert new_image.shape == (40, 40, 3) and new_mask.shape == (40, 40)
    exact = (new_image[..., None, :] == COLOURS).all(
        -1
    )  # (40, 40, 3): pixels that interpolation did not blend
    labelled = exact.any(-1) & (new_mask != 255)
    assert labelled.sum() > 200
    np.testing.assert_array_equal(exact[labelled].argmax(-1), new_mask[labelled])


def test_what_lies_beyond_the_image_is_ignored():
    image, mask = draw(1, 20)
    new_image, new_mask = random_crop(image, mask, 32, 0.75, rng())
    np.testing.assert_array_equal(new_mask[:20, :20], mask)
    assert (new_mask[20:] == 255).all() and (new_mask[:, 20:] == 255).all() and (new_image[20:] == 0).all()


def test_a_crop_of_one_class_is_drawn_again():
    mask = np.zeros((200, 200), np.uint8)
    mask[:40, :40] = 1
    image = np.zeros((200, 200, 3), np.uint8)
    varied = [np.unique(random_crop(image, mask, 48, 0.9, rng(seed))[1]).size > 1 for seed in range(60)]
    first = [np.unique(random_crop(image, mask, 48, 1.0, rng(seed))[1]).size > 1 for seed in range(60)]
    assert sum(varied) > 2 * sum(first)


def test_the_same_generator_gives_the_same_pair_and_another_one_another():
    image, mask = draw(2)
    options = Augmentation(crop=24, blur=1.0, noise=0.1)
    one, two, other = (augment(image, mask, options, rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert not np.array_equal(one[0], other[0])


def test_hue_turns_the_colour_and_keeps_the_brightness():
    image = np.full((4, 4, 3), (120, 90, 100), np.uint8)
    options = Augmentation(brightness=0, contrast=0, saturation=0, hue=0.5, colour=1)
    turned = random_colour(image, options, rng(3))[0, 0].astype(float)
    before, after = (colorsys.rgb_to_hsv(*(np.array(c) / 255))[0] for c in ((120, 90, 100), turned))
    assert abs(before - after) > 0.05
    luma = np.array([0.299, 0.587, 0.114])
    assert abs(turned @ luma - np.array([120, 90, 100]) @ luma) < 2


def test_contrast_and_saturation_keep_a_grey_mean():
    image = np.full((8, 8, 3), 100, np.uint8)
    options = Augmentation(brightness=0, contrast=0.5, saturation=0.5, hue=0.1, colour=1)
    assert np.abs(random_colour(image, options, rng(1)).astype(int) - 100).max() <= 1


@pytest.mark.parametrize("options", [{"crop": 0}, {"scale": (2, 1)}, {"scale": (0, 1)}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(ValueError):
        Augmentation(**options)
