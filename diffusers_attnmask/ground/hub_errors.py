"""What goes wrong with the Hub, in one line with its remedy: when it is read, and when it is published to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from huggingface_hub.errors import HfHubHTTPError, HFValidationError

# Connections lost or forbidden (offline); answers of the Hub; what is not there, by whichever library.
NOT_FOUND = (ConnectionError, HfHubHTTPError, HFValidationError, FileNotFoundError)
# httpx's root of all errors, under whichever name the client brings httpx along
ConnectionLost = cast("type[Exception]", HfHubHTTPError.__bases__[0])


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


@contextmanager
def clear_errors(repo: str, endpoint: str) -> Iterator[None]:
    """Around what publishes in the repository `repo` of the Hub at `endpoint`."""
    try:
        yield
    except HFValidationError as mistake:
        raise ValueError(f"{repo!r} is no name of a repository: {mistake}") from mistake
    except (ConnectionLost, RuntimeError) as mistake:
        cause: BaseException | None = mistake
        while cause is not None and not isinstance(cause, ConnectionLost):  # uploads are wrapped
            cause = cause.__cause__
        if cause is None:
            raise
        raise OSError(explained(cause, repo, endpoint)) from mistake


def explained(error: BaseException, repo: str, endpoint: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status == 401:
        return (
            f"{endpoint} does not accept the token: it is missing, wrong or expired. Log in with "
            "`hf auth login`; nothing was published."
        )
    if status == 403:
        return f"the token may not write to {repo}: make one with write access; nothing was published."
    if status is not None:
        return f"{endpoint} answered {status} to the push to {repo}: {error}. Nothing was published."
    return (
        f"the connection to {endpoint} was lost ({error}); nothing was published. Run the same command "
        "again: files that arrived are not sent twice."
    )
