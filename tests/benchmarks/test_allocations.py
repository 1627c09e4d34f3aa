"""What is weighed are the tensors that are there at once."""

import pytest
import torch

from benchmarks.recording.allocations import peak_allocated

MIB = 2**20


def one_after_the_other():
    for _ in range(3):
        torch.zeros(MIB, dtype=torch.uint8)


def all_at_once():
    return [torch.zeros(MIB, dtype=torch.uint8) for _ in range(3)]


@pytest.mark.parametrize(("work", "mebibytes"), [(one_after_the_other, 1), (all_at_once, 3)])
def test_the_peak_is_of_what_is_there_at_once(work, mebibytes):
    already_there = torch.zeros(8 * MIB, dtype=torch.uint8)
    assert peak_allocated(work) == pytest.approx(mebibytes * MIB, rel=0.01)
    del already_there
