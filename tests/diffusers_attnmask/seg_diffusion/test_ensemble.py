"""The ensemble's statistics against numpy and against least squares by hand."""

import numpy as np
import pytest
import torch

from diffusers_attnmask.seg_diffusion.ensemble import aligned, merged


def members(count, seed=0):
    return torch.rand(count, 2, 5, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [2, 3, 10])
def test_median_and_median_absolute_deviation(count):
    values = members(count)
    middle, deviation = merged(values)
    expected = np.median(values.numpy(), axis=0)
    np.testing.assert_allclose(middle.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(
        deviation.numpy(), np.median(np.abs(values.numpy() - expected), axis=0), atol=1e-6
    )


def test_one_member_has_no_deviation():
    values = members(1)
    middle, deviation = merged(values)
    assert torch.equal(middle, values[0]) and deviation is None


def test_alignment_is_the_least_squares_fit_to_the_median():
    values = members(5)
    reference = np.median(values.numpy(), axis=0)
    found = aligned(values).numpy()
    for member in range(5):
        for condition in range(2):
            own = values[member, condition].numpy().ravel().astype(np.float64)
            design = np.stack([own, np.ones_like(own)], axis=1)
            fit, *_ = np.linalg.lstsq(design, reference[condition].ravel(), rcond=None)
            expected = np.clip(design @ fit, 0, 1)
            np.testing.assert_allclose(found[member, condition].ravel(), expected, atol=1e-4)


def test_alignment_undoes_another_scale_and_shift():
    base = members(1)[0]
    stretched = torch.stack([base, base, base, 0.5 * base + 0.2])
    torch.testing.assert_close(aligned(stretched), base.expand(4, -1, -1, -1), atol=1e-4, rtol=0)


def test_a_flat_member_is_only_shifted():
    values = torch.stack([torch.full((1, 4, 4), level) for level in (0.1, 0.2, 0.6)])
    torch.testing.assert_close(aligned(values), torch.full((3, 1, 4, 4), 0.2))
