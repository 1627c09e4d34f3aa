"""Workers give results in order, ahead by a bounded number of tasks, whoever of them dies."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dataset_builder.engine.pool import WorkerPool


def square(number: int) -> int:
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def given_up(number: int) -> str:
    return f"gave up {number}"


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_the_order_of_the_tasks(workers):
    pool = WorkerPool(square, workers, ahead=4, given_up=given_up)
    assert list(pool.results(iter(range(20)))) == [number * number for number in range(20)]
    pool.close()


def at_its_end(file: str) -> int:
    atexit.register(Path(file).touch)
    return os.getpid()


def test_what_a_worker_registered_for_its_end_is_done(tmp_path):
    file = tmp_path / "done"
    with WorkerPool(at_its_end, 1, ahead=2, given_up=given_up) as pool:
        (worker,) = pool.results([str(file)])
    assert worker != os.getpid() and file.exists()


def test_few_tasks_are_drawn_ahead():
    drawn, most = 0, 0

    def tasks():
        nonlocal drawn
        for number in range(60):
            drawn += 1
            yield number

    pool = WorkerPool(square, 1, ahead=5, given_up=given_up)
    for done, _ in enumerate(pool.results(tasks()), start=1):
        most = max(most, drawn - done)
    pool.close()
    assert most <= 5


def test_a_task_that_kills_its_worker_is_given_up_and_takes_no_other_along():
    deaths = []
    pool = WorkerPool(square, 2, ahead=6, given_up=given_up, on_death=lambda: deaths.append(1))
    assert list(pool.results([1, 2, -3, 4, 5])) == [1, 4, "gave up -3", 16, 25]
    pool.close()
    assert len(deaths) >= 2


def test_an_error_in_the_function_is_the_callers():
    pool = WorkerPool(square, 1, ahead=4, given_up=given_up)
    with pytest.raises(TypeError):
        list(pool.results([1, "two"]))
    pool.close()


PROGRAM = """
import time
from dataset_builder.engine.pool import WorkerPool
from dataset_builder.building.layout import pair_id

if __name__ == "__main__":
    pool = WorkerPool(pair_id, 1, ahead=4, given_up=str)
    print(list(pool.results([1])), flush=True)
    time.sleep(60)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    parent = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True, env=environment)
    assert "00000001" in parent.stdout.readline()
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert workers
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.05)
