import math

import pytest
import torch

from diffusers_attnmask.methods.presence import concentration, presence, strength

MAPS = (
    torch.rand(3, 10, 15, generator=torch.Generator().manual_seed(0))
    * torch.tensor([0.1, 1, 3])[:, None, None]
)


def slow_features(claims):
    """Concentration and strength of one map, value by value."""
    values = sorted(claims.flatten().tolist())
    low, high = values[0], values[-1]
    spread = sum((value - low) / (high - low) for value in values) / len(values)
    strongest = values[-round(len(values) * 0.02) :]
    return 1 - spread, math.log(sum(strongest) / len(strongest))


def test_concentration_and_strength_are_those_of_their_definition():
    slow = [slow_features(own) for own in MAPS]
    assert concentration(MAPS).tolist() == pytest.approx([own for own, _ in slow], abs=1e-5)
    assert strength(MAPS).tolist() == pytest.approx([own for _, own in slow], abs=1e-5)


def test_presence_is_the_logistic_model_of_both():
    slow = [1 / (1 + math.exp(-(-2 + 3 * a + 0.5 * b))) for a, b in map(slow_features, MAPS)]
    assert presence(MAPS, (-2.0, 3.0, 0.5)).tolist() == pytest.approx(slow, abs=1e-5)


def test_a_peak_is_there_and_a_haze_is_not_however_strong_they_are():
    peak = torch.zeros(16, 16)
    peak[4:7, 4:7] = 1
    haze = torch.rand(16, 16, generator=torch.Generator().manual_seed(1))
    for scale in (1e-3, 1.0):
        there, absent = presence(scale * torch.stack([peak, haze]), (-13.8, 18.1, 0.0)).tolist()
        assert there > 0.9 and absent < 0.1


def test_a_flat_map_or_an_empty_one_has_a_finite_presence():
    flat = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)])
    assert torch.isfinite(presence(flat, (0.0, 1.0, 1.0))).all()
