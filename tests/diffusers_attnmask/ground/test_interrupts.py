"""An interrupt that a library loses is one after all, and an error of its own stays an error."""

from __future__ import annotations

import signal
import threading

import pytest
import torch

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.interrupts import kept_interrupt
from diffusers_attnmask.ground.model_files import readable_model


class Interrupted:
    """A sequence during whose reading the user presses Ctrl-C."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        signal.raise_signal(signal.SIGINT)
        return [1.0][index]


class Dropped:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_torch_loses_an_interrupt():
    with pytest.raises(ValueError, match="could not determine the shape") as told:
        torch.tensor(Interrupted())
    assert told.value.__context__ is None  # why the signal itself must be heard


def test_an_interrupt_while_a_model_is_read_is_no_damage(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), readable_model(tmp_path):
        torch.tensor(Interrupted())
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_nothing_comes_of_ends_the_reading_too():
    with pytest.raises(KeyboardInterrupt), kept_interrupt():
        Dropped()


def test_errors_stay_errors_where_interrupts_are_only_noted(tmp_path):
    noted = []
    before = signal.signal(signal.SIGINT, lambda *_: noted.append(True))
    try:
        with pytest.raises(DamagedFile), readable_model(tmp_path):
            torch.tensor(Interrupted())
            raise RuntimeError("size mismatch")
    finally:
        signal.signal(signal.SIGINT, before)
    assert noted


def test_in_threads_nothing_changes(tmp_path):
    errors = []

    def read():
        try:
            with readable_model(tmp_path):
                raise RuntimeError("size mismatch")
        except DamagedFile as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(errors) == 1
