"""SAM as a second labeller: what it is told of a mask, and what becomes of its answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, label

import tiny_world
from dataset_builder.noise import sam_labeller
from dataset_builder.noise.scores import class_scores
from dataset_builder.noise.second_labeller import labeller
from dataset_builder.sam.kinds import worded_sam
from dataset_builder.sam.options import SamOptions
from dataset_builder.sam.prompted import OFF, ON
from diffusers_attnmask.ground.ids import IGNORE_ID
from tests.small_models.sam import PROMPTED, sam2, sam3

NAMES = ("background", *tiny_world.CLASSES)


@pytest.fixture
def scene():
    """Two objects, some pixels of which nobody knows: image, mask, and the ids in the mask."""
    seed = next(own for own in range(50) if len(tiny_world.render(own)[3]) == 2)
    image, mask, _, classes = tiny_world.render(seed)
    mask = mask.copy()
    mask[:3] = IGNORE_ID
    return image, mask, {NAMES.index(own) for own in classes}


@pytest.mark.parametrize("kind", [*PROMPTED, "sam3"])
def test_every_generation_labels_what_the_mask_shows(kind, scene, tmp_path):
    image, mask, ids = scene
    {**PROMPTED, "sam3": sam3}[kind](tmp_path)
    second = labeller(str(tmp_path), None, NAMES, 0)
    found = second(image, mask)
    assert found.shape == mask.shape and found.dtype == np.uint8
    assert set(np.unique(found)) <= {0, *ids}
    assert np.array_equal(found, second(image, mask))
    assert not second(image, np.zeros_like(mask)).any(), "nothing is looked for where the mask is empty"
    bare = labeller(str(tmp_path), None, tiny_world.CLASSES, 0)  # without a background
    assert (bare(image, np.full_like(mask, IGNORE_ID)) == IGNORE_ID).all()
    assert set(np.unique(bare(image, np.zeros_like(mask)))) <= {0, IGNORE_ID}, "id 0 is a class, too"


class ExactSam:
    """In place of a network: the rendered objects on which its points lie, or else nothing."""

    def __init__(self, exact: dict[bytes, np.ndarray]) -> None:
        self.exact, self.asked = exact, []

    def embedded(self, image):
        return self.exact[image.tobytes()]

    def candidates(self, mask, prompts):
        self.asked.append(prompts)
        found = []
        for points, signs in zip(prompts.points.long(), prompts.labels, strict=True):
            ((column, row),) = points[signs == ON][:1].tolist()
            parts, _ = label(mask > 0, np.ones((3, 3)))
            found.append((parts == parts[row, column]) & (mask > 0))
        objects = torch.from_numpy(np.stack(found))[:, None]
        return torch.cat([torch.zeros_like(objects), objects], 1)


def test_masks_that_end_elsewhere_than_objects_do_are_told(monkeypatch, tmp_path):
    sam2(tmp_path)
    rendered = [tiny_world.render(seed)[:2] for seed in range(8)]
    exact = ExactSam({image.tobytes(): mask for image, mask in rendered})
    monkeypatch.setattr(sam_labeller, "prompted_sam", lambda model, options: exact)
    second = labeller(str(tmp_path), None, NAMES, 0)
    for image, mask in rendered:
        assert min(class_scores(second(image, mask), mask, NAMES).values()) == 1
        own = int(mask.max())
        grown = np.where((mask == 0) & binary_dilation(mask == own, iterations=8), own, mask)
        assert class_scores(second(image, grown), grown, NAMES)[own] < 0.8
    for prompts in exact.asked:
        assert prompts.masks is None and not (prompts.labels == OFF).any(), "no outline is told"


def test_agreement_with_sam_3_is_that_of_what_it_finds_by_words(scene, tmp_path):
    image, mask, ids = scene
    sam3(tmp_path)
    score = 0.01  # less than what random weights find by a word
    sam = worded_sam(str(tmp_path), SamOptions(prompts="words", score=score))
    picture, expected, best = sam.embedded(image), np.zeros_like(mask), np.zeros(mask.shape)
    for own in sorted(ids):
        (found,) = sam.found(picture, [NAMES[own]], score)
        for part, sure in zip(found.masks.numpy(), found.scores.numpy(), strict=True):
            higher = part & (sure > best)
            expected[higher], best[higher] = own, sure
    assert set(np.unique(expected)) > {0}
    second = sam_labeller.sam_labeller(str(tmp_path), NAMES, 0, score)
    assert np.array_equal(second(image, mask), expected)
