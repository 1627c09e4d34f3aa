"""Words that mean a folder or a repository of the Hub: what is said where they mean neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import HfHubHTTPError, HFValidationError

# Connections lost or forbidden (offline); answers of the Hub; what is not there, by whichever library.
NOT_FOUND = (ConnectionError, HfHubHTTPError, HFValidationError, FileNotFoundError)


@contextmanager
def within_reach(word: str | Path, kind: str) -> Iterator[None]:
    """Around whatever opens `word`, a folder or a Hub name; `kind` is "dataset" or "model".

    Where the word is neither, the error says so in one line; those of an existing folder pass unchanged.
    """
    if Path(word).exists():
        yield
        return
    if str(word).count("/") != 1 or str(word).startswith((".", "/", "~")):
        raise FileNotFoundError(
            f"There is no {kind} at {str(word)!r}: neither a folder nor a Hub name user/name."
        )
    try:
        yield
    except NOT_FOUND as reason:
        raise FileNotFoundError(
            f"There is no folder {word}, and no {kind} of this name within reach on the Hub "
            f"({first_line(reason)})."
        ) from reason


def first_line(reason: BaseException) -> str:
    return next(iter(str(reason).strip().splitlines()), type(reason).__name__).rstrip(".")
