"""An error of a worker says whose fault it is wherever it arrives: the user's, the world's, the program's."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass

import pytest

from dataset_builder.engine.cluster import LOOPBACK_ONLY
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.worker_errors import noted
from dataset_builder.engine.workers import OpenedAnew, working
from diffusers_attnmask.cli_errors import FAULT, MISTAKE, told


class Unsendable(ConnectionError):
    """As some of the Hub's: to be made anew it wants more than its words."""

    def __init__(self, words: str, *, response: int) -> None:
        super().__init__(words)
        self.response = response


@dataclass(frozen=True)
class Faulty(OpenedAnew):
    """A stage whose tasks go wrong in the ways that they are named for."""

    def task(self, kind: str) -> object:
        if kind == "mistake":
            raise ValueError("there is no class 'horse': use dog or cat")
        if kind == "full":
            raise OSError(28, "No space left on device", "data/x.parquet")
        if kind == "lost":
            raise Unsendable("the connection was lost", response=503)
        return {}["horse"] if kind == "surprise" else int("seven")


EXPECTED = {
    "mistake": (MISTAKE, "there is no class 'horse': use dog or cat"),
    "full": (FAULT, "the disk is full, and data/x.parquet could not be written"),
    "lost": (FAULT, "the connection was lost"),
    "number": (FAULT, "ValueError: invalid literal for int() with base 10: 'seven' (unexpected here"),
    "surprise": (FAULT, "KeyError"),
}


def ended(engine: EngineOptions, kind: str) -> tuple[Exception, str, int]:
    with pytest.raises(Exception) as raised, working(Faulty(), engine) as workers:
        list(workers.results(Faulty.task, [kind]))
    line, code = told(raised.value)
    return raised.value, line, code


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_process_tells_whose_fault_it_is(kind):
    error, line, code = ended(EngineOptions(workers=2), kind)
    expected, words = EXPECTED[kind]
    assert code == expected and line.startswith(words)
    assert "in task" in str(error.__cause__)  # where it went wrong, for whoever debugs


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_actor_tells_whose_fault_it_is():
    os.environ.setdefault(*LOOPBACK_ONLY)
    os.environ.update(RAY_raylet_start_wait_time_s="300", RAY_agent_register_timeout_ms="300000")
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for kind, (expected, words) in EXPECTED.items():
            error, line, code = ended(EngineOptions("ray", workers=1), kind)
            assert code == expected and line.startswith(words)
            assert "in task" in str(error.__cause__)
    finally:
        ray.shutdown()


def test_an_error_that_cannot_be_sent_keeps_its_kind_and_words():
    with pytest.raises(OSError, match="the connection was lost") as raised, noted():
        raise Unsendable("the connection was lost", response=503)
    sent = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(sent, OSError) and told(sent) == ("the connection was lost", FAULT)
