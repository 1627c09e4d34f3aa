"""The noise of masks: of unit variance, each sample its own, coarse where it is a pyramid."""

import pytest
import torch
from torch.nn import functional

from diffusers_attnmask.seg_diffusion.noise import NOISES, draw_noise


def noise(kind, shape, *seeds):
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return draw_noise(kind, shape, generators, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("kind", NOISES)
def test_it_has_mean_zero_and_variance_one(kind):
    values = noise(kind, (64, 4, 32, 32), *range(64))
    assert float(values.mean()) == pytest.approx(0, abs=0.1)
    assert float(values.var()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", NOISES)
def test_a_sample_depends_on_its_own_seed_alone(kind):
    together = noise(kind, (3, 4, 8, 8), 5, 6, 7)
    assert torch.equal(together[1:2], noise(kind, (1, 4, 8, 8), 6))


def test_a_pyramid_has_more_of_the_coarse_than_white_noise():
    plain, pyramid = (
        functional.avg_pool2d(noise(kind, (32, 4, 32, 32), *range(32)), 8).var() for kind in NOISES
    )
    assert pyramid > 10 * plain


def test_a_pyramid_is_the_sum_of_its_levels():
    generator = torch.Generator().manual_seed(3)
    expected = torch.zeros(1, 4, 8, 8)
    for level in range(4):  # 8, 4, 2 and 1 places a side; six levels would need 32
        side = 8 >> level
        part = torch.randn(1, 4, side, side, generator=generator)
        for row in range(8):
            for column in range(8):
                expected[..., row, column] += 0.9**level * part[..., row >> level, column >> level]
    expected /= sum(0.9 ** (2 * level) for level in range(4)) ** 0.5
    torch.testing.assert_close(noise("pyramid", (1, 4, 8, 8), 3), expected)


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="gaussian, pyramid, not 'pink'"):
        noise("pink", (1, 4, 8, 8), 0)
