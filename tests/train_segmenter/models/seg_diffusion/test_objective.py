"""What is asked for, what counts, and what the UNet should answer, against slow definitions."""

from collections import Counter

import pytest
import torch

from diffusers_attnmask.seg_diffusion.schedule import mask_scheduler
from tests.small_models import sd15
from train_segmenter.models.seg_diffusion.objective import (
    asked_classes,
    counted_places,
    drawn_timesteps,
    noisy_and_target,
    padded_pair,
    squared_error,
)


def test_mostly_classes_that_are_shown_are_asked_for():
    torch.manual_seed(0)
    asked = Counter(asked_classes([(0, 2, 5)] * 2000, (1, 2, 3, 4, 5), absent=0.25))
    shown = asked[2] + asked[5]
    assert shown / 2000 == pytest.approx(0.75, abs=0.03)
    assert asked[2] / shown == pytest.approx(0.5, abs=0.05)
    assert set(asked) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("shown", "absent", "expected"), [((), 0.0, {1, 2}), ((1, 2), 0.9, {1, 2})])
def test_where_there_is_no_choice_the_other_kind_is_asked_for(shown, absent, expected):
    assert {asked_classes([(0, *shown)], (1, 2), absent)[0] for _ in range(60)} == expected


def test_a_place_counts_when_no_pixel_under_it_is_ignored():
    masks = torch.zeros(2, 8, 8, dtype=torch.long)
    masks[0, 3, 5] = masks[1, 0, 0] = 255
    counted = counted_places(masks, (2, 2))
    for image in range(2):
        for row in range(2):
            for column in range(2):
                block = masks[image, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                assert counted[image, 0, row, column] == float((block != 255).all())


def test_the_error_is_the_mean_over_what_counts():
    predicted, target = torch.rand(2, 4, 3, 3), torch.rand(2, 4, 3, 3)
    counted = (torch.rand(2, 1, 3, 3) > 0.5).float()
    chosen = counted.expand(-1, 4, -1, -1) == 1
    expected = (predicted[chosen] - target[chosen]).square().mean()
    torch.testing.assert_close(squared_error(predicted, target, counted), expected)
    assert squared_error(predicted, target, torch.zeros_like(counted)) == 0


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noise_or_velocity_is_what_is_learnt(prediction):
    scheduler = mask_scheduler(sd15().scheduler, prediction)
    latents, noise = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    noisy, target = noisy_and_target(scheduler, latents, noise, torch.tensor([10, 900]))
    for index, time in enumerate((10, 900)):
        signal, spread = scheduler.alphas_cumprod[time].sqrt(), (1 - scheduler.alphas_cumprod[time]).sqrt()
        torch.testing.assert_close(noisy[index], signal * latents[index] + spread * noise[index])
        velocity = signal * noise[index] - spread * latents[index]
        torch.testing.assert_close(target[index], noise[index] if prediction == "epsilon" else velocity)


@pytest.mark.parametrize("noisiness", [1.0, 3.0])
def test_noisy_timesteps_are_drawn_more_often(noisiness):
    torch.manual_seed(0)
    times = drawn_timesteps(20_000, 1000, noisiness)
    assert times.min() >= 0 and times.max() == 999
    for limit in (250, 500, 900):
        expected = (limit / 1000) ** noisiness
        assert float((times < limit).float().mean()) == pytest.approx(expected, abs=0.015)


def test_a_large_noisiness_draws_the_last_timestep_alone():
    torch.manual_seed(0)
    assert drawn_timesteps(20_000, 1000, 100_000).unique().tolist() == [999]


def test_what_pads_a_pair_is_ignored():
    images, masks = padded_pair(torch.rand(1, 3, 5, 8), torch.ones(1, 5, 8, dtype=torch.long), 8)
    assert images.shape == (1, 3, 8, 8) and torch.equal(images[..., 7, :], images[..., 4, :])
    assert (masks[:, :5] == 1).all() and (masks[:, 5:] == 255).all()
