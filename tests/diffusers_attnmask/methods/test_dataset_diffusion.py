"""Dataset Diffusion where cross-attention, and not what is spread of it, parts the classes."""

import math

import numpy as np
import pytest
import torch

from diffusers_attnmask.families import FAMILIES
from diffusers_attnmask.masking.settings import ModelSettings
from diffusers_attnmask.methods import DatasetDiffusion
from diffusers_attnmask.methods.dataset_diffusion import won
from tests.diffusers_attnmask.masking.reference_maps import (
    bicubic,
    dataset_diffusion,
    grid_of,
    layers_at,
    mean_map,
    min_max,
)
from tests.diffusers_attnmask.masking.test_contract_maps import (
    DOG_AND_CAT,
    TOKENS,
    masked_run,
    recorded_run,
    sizes,
)
from tests.small_models import sd15

SIZE = (128, 128)


def blurred_slowly(image, deviation):
    """Every place the weighted mean of its surroundings; what stands at the border goes on beyond it."""
    reach, (height, width) = math.ceil(3 * deviation), image.shape
    found, weights = np.zeros_like(image), np.zeros_like(image)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            weight = math.exp(-(dy * dy + dx * dx) / (2 * deviation**2))
            rows = np.clip(np.arange(height) + dy, 0, height - 1)
            columns = np.clip(np.arange(width) + dx, 0, width - 1)
            found += weight * image[np.ix_(rows, columns)]
            weights += weight
    return found / weights


def claims(layers, deviation):
    """How much each place of the image is a dog's and a cat's by cross-attention alone."""
    coarse, fine = grid_of(2, (16, 16)), grid_of(1, (16, 16))
    cross = layers_at(layers, 2, (16, 16), cross=True)
    maps = [bicubic(mean_map(cross, 1, tokens, coarse), fine) for tokens in TOKENS.values()]
    return np.array([bicubic(min_max(blurred_slowly(own, deviation)), SIZE) for own in maps])


def spread(layers):
    prompt = {"keys_of": lambda layer: None, **sizes(SIZE)}
    return np.clip([dataset_diffusion(layers, 1, own, **prompt) for own in TOKENS.values()], 0, 1)


def test_what_is_spread_says_how_surely_and_cross_attention_says_which():
    method = DatasetDiffusion(append_classes=False, words="prompt", winner="cross", blur=1.0)
    found = masked_run(sd15(), DOG_AND_CAT, classes=["dog", "cat"], mask_method=method).heatmaps[0].numpy()
    layers = recorded_run(sd15(), DOG_AND_CAT)
    sure, by_class = spread(layers).max(0), claims(layers, 1.0).clip(1e-4)
    np.testing.assert_allclose(found, sure * by_class / by_class.max(0), atol=1e-4)
    assert (found.argmax(0) != spread(layers).argmax(0)).mean() > 0.01, "both name the same class everywhere"


def test_a_blur_goes_with_the_winner_that_it_blurs():
    with pytest.raises(ValueError, match=r"blur=0\.0 goes with winner='cross'"):
        DatasetDiffusion(blur=0.0)
    own = ModelSettings(options={"dataset-diffusion": {"winner": "cross", "blur": 3.0}})
    asked = {"winner": "spread"}  # over a model's own, whose blur is then out of place, and nobody's mistake
    assert own.resolve("dataset-diffusion", FAMILIES[0], asked) == DatasetDiffusion()
    assert own.resolve("dataset-diffusion", FAMILIES[0], {"power": 2}).blur == 3.0
    with pytest.raises(ValueError, match=r"blur=1\.0 goes with"):
        own.resolve("dataset-diffusion", FAMILIES[0], {**asked, "blur": 1.0})


def test_a_single_class_wins_every_place_as_before():
    methods = [
        DatasetDiffusion(append_classes=False, words="prompt", winner=winner)
        for winner in ("cross", "spread")
    ]
    by_cross, by_spread = (
        masked_run(sd15(), DOG_AND_CAT, classes=["cat"], mask_method=method) for method in methods
    )
    assert torch.equal(by_cross.heatmaps[0], by_spread.heatmaps[0])


def test_a_place_that_no_class_claims_belongs_to_all_alike():
    strength = torch.tensor([[0.7, 0.2]])
    claimed = torch.tensor([[[0.0, 0.5]], [[-0.1, 0.25]]])
    assert torch.allclose(won(strength, claimed), torch.tensor([[[0.7, 0.2]], [[0.7, 0.1]]]))


def test_cross_attention_may_come_of_other_layers_than_self_attention():
    everywhere = {"append_classes": False, "words": "prompt"}
    masked = {
        name: masked_run(
            sd15(), DOG_AND_CAT, classes=["cat"], mask_method=DatasetDiffusion(**options, **everywhere)
        ).heatmaps[0]
        for name, options in {
            "all": {},
            "up": {"cross_layers": ("up_blocks",)},
            "up in both": {"layers": ("up_blocks",)},
        }.items()
    }
    assert not torch.equal(masked["up"], masked["all"])
    assert not torch.equal(masked["up"], masked["up in both"])
