"""How many samples go through at once: as many as fit, without a change of the result."""

import pytest
import torch

from diffusers_attnmask.seg_diffusion.batching import CPU_PLACES, Batching


def latent(places):
    return torch.zeros(1, 4, places, 1)


def run_with_room_for(room, calls):
    def run(part):
        calls.append(len(part))
        if len(part) > room:
            raise torch.OutOfMemoryError("out of memory")
        return torch.tensor(part)

    return run


def test_a_given_size_is_kept():
    calls = []
    answers = Batching()(run_with_room_for(9, calls), latent(64), 7, 3)
    assert calls == [3, 3, 1] and answers.tolist() == list(range(7))


def test_what_does_not_fit_is_halved_until_it_does():
    calls = []
    answers = Batching()(run_with_room_for(3, calls), latent(64), 10, 0)
    assert calls == [10, 5, 3, 3, 3, 1] and answers.tolist() == list(range(10))


def test_what_fitted_once_is_not_looked_for_again():
    calls = []
    batching = Batching()
    for total in (10, 10, 2):
        batching(run_with_room_for(3, calls), latent(64), total, 0)
    assert calls == [10, 5, 3, 3, 3, 1, 3, 3, 3, 1, 2]
    calls.clear()
    batching(run_with_room_for(3, calls), latent(32), 4, 0)
    assert calls == [4, 2, 2], "of another size another number fits"


def test_a_processor_is_given_few_samples_at_once():
    calls = []
    Batching()(run_with_room_for(99, calls), latent(CPU_PLACES // 4), 9, 0)
    assert calls == [4, 4, 1]


@pytest.mark.parametrize("size", [0, 2])
def test_when_nothing_fits_the_error_says_what_to_change(size):
    with pytest.raises(torch.OutOfMemoryError, match="smaller batch_size or processing_res"):
        Batching()(run_with_room_for(0, []), latent(64), 4, size)
