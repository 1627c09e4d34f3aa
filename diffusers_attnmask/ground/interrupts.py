"""Interrupts that libraries in C lose: torch answers one that comes while it looks at a sequence with an
error of its own, in which nothing tells of the interrupt any more."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def kept_interrupt() -> Iterator[None]:
    """An interrupt that is raised in the block ends it as an interrupt, whatever was made of it."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield  # none is raised here
        return
    raised: list[KeyboardInterrupt] = []

    def note(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except KeyboardInterrupt as interrupt:
            raised.append(interrupt)
            raise

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception as error:
        if raised:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, handler)
    if raised:
        raise KeyboardInterrupt
