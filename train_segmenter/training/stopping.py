"""A signal ends a training after the step that it comes in, all processes after the same one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed


class Interrupted(KeyboardInterrupt):
    """Stopped by a signal, after its checkpoint was written."""


@contextmanager
def stop_asked(processes: int) -> Iterator[Callable[[], bool]]:
    """What says whether an interrupt or termination signal has come, to any of the processes.

    All must ask it after every step, and all get the same answer: which one a signal reaches, and when, is
    chance, and a process that went on alone would wait for the others for ever. The answer goes from host to
    host, since the device is still busy with the step.
    """
    came: list[int] = []
    with _noting_signals(came):
        if processes == 1:
            yield lambda: bool(came)
            return
        group: Any = distributed.new_group(backend="gloo")

        def any_stopped() -> bool:
            flag = torch.tensor(int(bool(came)))
            distributed.all_reduce(flag, distributed.ReduceOp.MAX, group)
            return bool(flag)

        try:
            yield any_stopped
        finally:
            distributed.destroy_process_group(group)


@contextmanager
def _noting_signals(came: list[int]) -> Iterator[None]:
    """In a list, and not by an Event: a second signal would wait for its lock, which the first one holds."""
    if threading.current_thread() is not threading.main_thread():  # others cannot hear signals
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
