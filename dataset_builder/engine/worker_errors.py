"""Errors of workers on their way to the command: whose fault they are is known only where they are raised."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from diffusers_attnmask.cli_errors import NOTED, note_purpose


@contextmanager
def noted() -> Iterator[None]:
    """Around a task: what it raises arrives as itself, and says whether its words are meant for a reader."""
    try:
        yield
    except Exception as error:
        note_purpose(error)
        if _travels(error):
            raise
        own = _stand_in(error)
        own.__dict__[NOTED] = error.__dict__[NOTED]
        raise own from error


def _travels(error: Exception) -> bool:
    """Whether another process can make it anew: libraries have errors that want more than their words."""
    try:
        pickle.dumps(error)
        copy.deepcopy(error)  # is made anew as another process would
    except Exception:
        return False
    return True


def _stand_in(error: Exception) -> Exception:
    """An error that travels, of the same kind and words."""
    for kind in (OSError, ValueError, TypeError):
        if isinstance(error, kind):
            return kind(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")
