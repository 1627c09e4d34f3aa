"""ZeroGPU, where a Space has it: a GPU that is lent for the length of one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SECONDS = 120  # that a question may take


def on_lent_gpu(ask: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose calls get a GPU where the package `spaces` lends one; elsewhere itself.

    What goes in and comes out travels between processes.
    """
    try:
        import spaces
    except ImportError:
        return ask
    return spaces.GPU(ask, duration=SECONDS)
