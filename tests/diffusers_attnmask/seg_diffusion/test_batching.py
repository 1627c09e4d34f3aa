"""How many samples go through at once: as many as fit, without a change of the result."""

import pytest
import torch

from diffusers_attnmask.seg_diffusion.batching import CPU_PLACES, in_batches

CPU = torch.device("cpu")


def run_with_room_for(room, calls):
    def run(part):
        calls.append(len(part))
        if len(part) > room:
            raise torch.OutOfMemoryError("out of memory")
        return torch.tensor(part)

    return run


def test_a_given_size_is_kept():
    calls = []
    answers = in_batches(run_with_room_for(9, calls), 7, 3, 64, CPU)
    assert calls == [3, 3, 1] and answers.tolist() == list(range(7))


def test_what_does_not_fit_is_halved_until_it_does():
    calls = []
    answers = in_batches(run_with_room_for(3, calls), 10, 0, 64, CPU)
    assert calls == [10, 5, 3, 3, 3, 1] and answers.tolist() == list(range(10))


def test_a_processor_is_given_few_samples_at_once():
    calls = []
    in_batches(run_with_room_for(99, calls), 9, 0, CPU_PLACES // 4, CPU)
    assert calls == [4, 4, 1]


@pytest.mark.parametrize("size", [0, 2])
def test_when_nothing_fits_the_error_says_what_to_change(size):
    with pytest.raises(torch.OutOfMemoryError, match="smaller batch_size or processing_res"):
        in_batches(run_with_room_for(0, []), 4, size, 64, CPU)
