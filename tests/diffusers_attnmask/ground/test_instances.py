"""What is known of objects, and how their numbers follow a mask that changes."""

from __future__ import annotations

import numpy as np
import pytest

from diffusers_attnmask.ground import instances
from diffusers_attnmask.ground.instances import check_objects, countable, described, fitted, numbered

NAMES = ["background", "cat", "dog"]


def blocks(seed, classes=3, size=(6, 7)):
    """Numbers of objects and the mask that they make, in blocks of 4 x 4 pixels."""
    rng = np.random.default_rng(seed)
    numbers = np.kron(rng.integers(0, 9, size), np.ones((4, 4), int))
    classes = np.array([0, *rng.integers(1, classes, 8)], np.uint8)
    return numbers, classes[numbers]


@pytest.mark.parametrize("seed", range(3))
def test_boxes_areas_classes_and_scores_are_those_of_the_pixels(seed):
    numbers, mask = blocks(seed)
    heatmaps = np.random.default_rng(seed).random((2, *mask.shape)).astype(np.float32)
    found = described(numbers, mask, NAMES, heatmaps)
    known = [own for own in np.unique(numbers) if own]
    assert len(found) == len(known) and found.ids.dtype == np.uint16
    for place, (number, own) in enumerate(zip(known, found, strict=True), start=1):
        rows, columns = np.nonzero(numbers == number)
        assert own.id == place and (found.ids[rows, columns] == place).all()
        assert own.area == len(rows)
        assert own.box == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert own.class_id == mask[rows[0], columns[0]] and own.name == NAMES[own.class_id]
        assert own.score == pytest.approx(heatmaps[own.class_id - 1][rows, columns].mean())


def test_a_picture_without_objects_has_none():
    found = described(np.zeros((3, 4), int), np.full((3, 4), 255, np.uint8), NAMES, np.zeros((2, 3, 4)))
    assert len(found) == 0 and found.ids.shape == (3, 4)


def test_more_objects_than_16_bits_tell_apart_are_refused():
    many = np.arange(65_537).reshape(1, -1)
    with pytest.raises(ValueError, match=r"holds 65,536 objects, and 16-bit ids tell 65,535 apart"):
        numbered(many)
    assert numbered(many[:, :-1]).max() == instances.MOST_INSTANCES


def test_an_object_of_two_classes_is_refused():
    with pytest.raises(ValueError, match=r"row 3: object 1 has the classes 1, 2 in the mask"):
        check_objects(np.ones((1, 2), int), np.array([[1, 2]], np.uint8), "row 3")
    with pytest.raises(ValueError, match="row 3: their picture is 2×1, the mask 1×1"):
        check_objects(np.ones((1, 2), int), np.ones((1, 1), np.uint8), "row 3")


def test_objects_follow_a_mask_that_grows_and_shrinks():
    before = np.array([[1, 1, 0, 0, 0, 1, 1]], np.uint8)
    numbers = np.array([[1, 1, 0, 0, 0, 2, 2]])
    after = np.array([[0, 1, 1, 0, 1, 1, 2]], np.uint8)
    assert fitted(numbers, before, after, countable(after)).tolist() == [[0, 1, 1, 0, 2, 2, 3]]


def test_a_mask_without_a_background_counts_every_class():
    mask = np.array([[0, 1, 255]], np.uint8)
    assert countable(mask) == [1] and countable(mask, background=False) == [0, 1]
