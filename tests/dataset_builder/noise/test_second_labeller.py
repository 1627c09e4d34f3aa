import numpy as np
import pytest
import torch
from PIL import Image

import tiny_world
from dataset_builder.noise.second_labeller import agreements, labeller
from diffusers_attnmask import bundled_oracle
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.loading.load import load_pipeline
from tests.dataset_builder.noise.test_filter import Pairs
from tests.train_segmenter.shapes import small_model

NAMES = ("background", *tiny_world.CLASSES)


def test_a_segmenter_agrees_with_right_masks_and_not_with_wrong_ones():
    source = Pairs(8, wrong={2, 5})
    found = agreements(source, labeller(str(bundled_oracle()), None, NAMES, 0), progress=False)
    worst = [min(scores.values()) for scores in found]
    assert {index for index, own in enumerate(worst) if own < 0.5} == {2, 5}


def test_a_segmenter_is_read_by_the_names_of_its_classes(tmp_path):
    small_model().save_pretrained(tmp_path)
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    mask = np.ones((32, 32), np.uint8)
    there = labeller(str(tmp_path), None, ("background", "red", "blue"), 0)(image, mask)
    turned = labeller(str(tmp_path), None, ("background", "blue", "red"), 0)(image, mask)
    assert np.array_equal(turned, np.array([0, 2, 1], np.uint8)[there])
    bare = labeller(str(tmp_path), None, ("blue", "red"), 0)(image, mask)
    assert np.array_equal(bare, np.array([IGNORE_ID, 1, 0], np.uint8)[there])
    with pytest.raises(ValueError, match="does not know green, only background, red, blue"):
        labeller(str(tmp_path), None, ("background", "red", "green"), 0)


def test_attention_labels_what_the_mask_shows():
    image, mask, _, classes = tiny_world.render(4)
    ids = tuple(NAMES.index(own) for own in classes)
    label = labeller("daam", None, NAMES, seed=3)
    found = label(image, mask)
    assert set(np.unique(found)) <= {0, *ids} and (found > 0).any()
    pipe = load_pipeline()
    pipe.set_progress_bar_config(disable=True)
    words = [NAMES[own] for own in ids]
    prompt = "a photo of " + " and ".join(f"a {own}" for own in words)
    expected = pipe.segment(
        Image.fromarray(image), prompt, words, strength=0.5, looks=2, mask_method="daam", output_type="np",
        generator=torch.Generator().manual_seed(3),
    ).masks[0]  # fmt: skip
    assert np.array_equal(found, np.array([0, *ids], np.uint8)[expected])
    assert not label(image, np.zeros_like(mask)).any(), "nothing is looked for where the mask is empty"
