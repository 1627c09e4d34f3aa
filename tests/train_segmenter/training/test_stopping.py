"""Signals ask a training to stop, however many come."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from train_segmenter.training.stopping import stop_asked


def test_a_signal_asks_to_stop_and_the_handlers_from_before_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with stop_asked(1) as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.timeout(60)
def test_a_user_who_presses_again_and_again_stops_it_as_well():
    def insist():
        for _ in range(3000):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)  # lets the main thread run

    with stop_asked(1) as stop:
        user = threading.Thread(target=insist)
        user.start()
        while user.is_alive():
            stop()
        assert stop()
