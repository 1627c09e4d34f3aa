"""A stage gives the same results in this process and in others, which open for themselves what it opens."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property

import pytest

from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.pool import WorkerPool
from dataset_builder.engine.visible_gpus import VARIABLE, visible_gpus
from dataset_builder.engine.workers import OpenedAnew, working
from diffusers_attnmask.ground.options import OptionsError


@dataclass(frozen=True)
class Sums(OpenedAnew):
    first: int

    @cached_property
    def opener(self) -> int:
        return os.getpid()

    def sum(self, number: int) -> tuple[int, int]:
        return self.first + number, self.opener

    def slow(self, seconds: float) -> float:
        if not seconds:
            raise LookupError("no such pair")
        time.sleep(seconds)
        return seconds

    def gpu(self, number: int) -> str | None:
        time.sleep(0.3)  # so that every process has some
        return os.environ.get(VARIABLE)


def test_one_worker_is_this_process():
    stage = Sums(10)
    with working(stage, EngineOptions()) as workers:
        assert list(workers.results(Sums.sum, [1, 2])) == [(11, os.getpid()), (12, os.getpid())]


def test_each_process_opens_for_itself():
    stage = Sums(10)
    assert stage.opener == os.getpid()
    with working(stage, EngineOptions(workers=2)) as workers:
        found = list(workers.results(Sums.sum, range(8)))
        assert [own for own, _ in found] == list(range(10, 18))
        assert os.getpid() not in {opener for _, opener in found}
        assert next(workers.results(Sums.sum, [5]))[0] == 15  # the same processes, asked for something else


def test_an_error_ends_the_others_in_the_middle_of_their_work():
    began = time.monotonic()
    with (
        pytest.raises(LookupError, match="no such pair"),
        working(Sums(0), EngineOptions(workers=2)) as workers,
    ):
        list(workers.results(Sums.slow, [0.0, 300.0]))
    assert time.monotonic() - began < 200


def test_each_process_sees_a_gpu_of_its_own():
    with WorkerPool(_gpu, 2, 8, given_up=str, gpus=("GPU-a", "GPU-b")) as pool:
        assert set(pool.results(range(8))) == {"GPU-a", "GPU-b"}


def _gpu(number: int) -> str | None:
    return Sums(0).gpu(number)


def test_gpus_are_counted_among_the_visible_ones(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv(VARIABLE, "GPU-7,GPU-3")
    assert visible_gpus([1, 0]) == ("GPU-3", "GPU-7")
    monkeypatch.delenv(VARIABLE)
    assert visible_gpus([1]) == ("1",)
    with pytest.raises(ValueError, match="--gpus 2,5: this machine has GPUs 0 to 1"):
        visible_gpus([0, 2, 5])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"engine": "ray", "workers": 0}, "workers must be at least 1 with engine ray, not 0"),
        ({"engine": "ray", "gpus": (0,)}, "gpus are for engine local"),
        ({"gpus": (1, 1)}, r"gpus must be different ones, not \[1, 1\]"),
    ],
)
def test_what_does_not_go_together_is_told(options, told):
    with pytest.raises(OptionsError, match=told):
        EngineOptions(**options)
