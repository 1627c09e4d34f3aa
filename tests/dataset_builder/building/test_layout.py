"""Every image of a dataset has noise of its own, by construction."""

import pytest
import torch

from dataset_builder.building.layout import image_seed
from dataset_builder.prompts.draws import ROUNDS, _noise
from dataset_builder.recipe import MOST_ATTEMPTS, MOST_PAIRS, Recipe, SamplingOptions

PLACES = [(index, attempt) for index in range(0, 10_000_000, 4_999) for attempt in (0, 1, 15)]


def place_of(seed: int, dataset: int) -> tuple[int, int]:
    """Index and attempt from an image's seed: the Feistel network backwards."""
    left, right = divmod(seed, 1 << 16)
    for step in reversed(range(ROUNDS)):
        left, right = right ^ _noise(16, dataset, "noise", 0, step, left), left
    attempt, index = divmod(left << 16 | right, MOST_PAIRS)
    return index, attempt


def test_index_and_attempt_can_be_told_from_the_seed_so_that_no_two_share_one():
    """What has an inverse is one to one: over all 2^32 places, and so over ten million pairs."""
    assert MOST_PAIRS * MOST_ATTEMPTS == 2**32
    for index, attempt in [*PLACES, (MOST_PAIRS - 1, MOST_ATTEMPTS - 1)]:
        seed = image_seed(7, index, attempt)
        assert 0 <= seed < 2**32
        assert place_of(seed, 7) == (index, attempt)


def test_datasets_of_other_seeds_have_other_images():
    seeds = {image_seed(dataset, index, 0) for dataset in range(5) for index in range(1000)}
    assert len(seeds) >= 4990  # chance meetings in 2^32


def first_noise(seed: int) -> tuple[float, ...]:
    return tuple(torch.randn(4, generator=torch.Generator().manual_seed(seed)).tolist())


def test_a_generator_on_the_cpu_takes_32_bits_of_its_seed():
    assert first_noise(5) == first_noise(5 + 2**32) == first_noise(5 + 2**62)


def test_generators_of_different_images_make_different_noise():
    seeds = [image_seed(0, index, attempt) for index, attempt in PLACES]
    assert len({first_noise(seed) for seed in seeds}) == len(PLACES)


def test_a_dataset_too_large_for_its_seeds_is_refused():
    with pytest.raises(ValueError, match="pairs must be at most"):
        Recipe("voc", pairs=MOST_PAIRS + 1)
    with pytest.raises(ValueError, match="attempts must be at most 16"):
        SamplingOptions(attempts=17)
    with pytest.raises(ValueError, match="there are seeds for"):
        image_seed(0, MOST_PAIRS, 0)
