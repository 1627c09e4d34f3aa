import itertools

import numpy as np
import pytest
from PIL import Image

import tiny_world
from dataset_builder.noise.duplicates import HASH_BITS, close_pairs, duplicates, perceptual_hash

PICTURES = [tiny_world.render(seed)[0] for seed in range(12)]


def slow_hash(image):
    """The DCT hash by its definition, wave by wave."""
    grey = np.asarray(Image.fromarray(image).convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
    places = (2 * np.arange(32) + 1) * np.pi / 64
    waves = np.zeros((8, 8))
    for row, column in itertools.product(range(8), range(8)):
        wave = np.outer(np.cos(row * places), np.cos(column * places))
        scale = np.prod([np.sqrt((1 if own == 0 else 2) / 32) for own in (row, column)])
        waves[row, column] = scale * (grey * wave).sum()
    flat = waves.ravel()
    return np.array([own > np.median(flat[1:]) for own in flat])


@pytest.mark.parametrize("image", PICTURES[:4])
def test_a_hash_is_that_of_its_definition(image):
    assert np.array_equal(perceptual_hash(image), slow_hash(image))
    assert perceptual_hash(image).shape == (HASH_BITS,)


def test_a_hash_stays_where_a_picture_is_another_size_or_brighter_and_parts_other_pictures():
    for image in PICTURES:
        smaller = np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.LANCZOS))
        brighter = (image * 0.8 + 40).astype(np.uint8)
        for alike in (smaller, brighter):
            assert (perceptual_hash(image) != perceptual_hash(alike)).sum() <= 4
    distances = [
        (perceptual_hash(one) != perceptual_hash(other)).sum()
        for one, other in itertools.combinations(PICTURES, 2)
    ]
    assert min(distances) > 4


@pytest.mark.parametrize("rows", [3, 1024])
def test_close_pairs_are_those_of_a_double_loop(rows, monkeypatch):
    monkeypatch.setattr("dataset_builder.noise.duplicates.ROWS", rows)
    bits = np.random.default_rng(0).random((40, HASH_BITS)) < 0.5
    bits[20:] = bits[:20] ^ (np.random.default_rng(1).random((20, HASH_BITS)) < 0.1)
    expected = [
        (later, earlier)
        for later in range(40)
        for earlier in range(later)
        if (bits[later] != bits[earlier]).sum() <= 8
    ]
    assert expected and list(close_pairs(bits, 8)) == expected


def test_of_pictures_that_are_almost_the_same_the_first_stays():
    bits = np.zeros((4, HASH_BITS), bool)
    bits[1, :3] = bits[2, :6] = True  # each 3 bits from the one before
    bits[3] = True
    assert duplicates(list(bits), 3) == {1: 0}, "the third differs from what stays"
    assert duplicates(list(bits), 6) == {1: 0, 2: 0}
    assert duplicates(list(bits), 0) == {}
