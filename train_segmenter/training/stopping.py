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
    stop = threading.Event()
    with _set_by_signals(stop):
        if processes == 1:
            yield stop.is_set
            return
        group: Any = distributed.new_group(backend="gloo")

        def any_stopped() -> bool:
            flag = torch.tensor(int(stop.is_set()))
            distributed.all_reduce(flag, distributed.ReduceOp.MAX, group)
            return bool(flag)

        try:
            yield any_stopped
        finally:
            distributed.destroy_process_group(group)


@contextmanager
def _set_by_signals(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # others cannot hear signals
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
