"""What goes wrong with the Hub, in one line with its remedy: when it is read, and when it is published to."""

from __future__ import annotations

import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

PATIENCE = 5.0  # seconds for the Hub to take a connection
# Connections lost or forbidden (offline); answers of the Hub; what is not there, by whichever library.
NOT_FOUND = (ConnectionError, HfHubHTTPError, HFValidationError, FileNotFoundError)
# httpx's root of all errors, under whichever name the client brings httpx along
ConnectionLost = cast("type[Exception]", HfHubHTTPError.__bases__[0])


class OutOfReach(FileNotFoundError, ConnectionError):
    """Neither a folder, nor in the cache, and no way to the Hub, which alone could tell."""


@contextmanager
def within_reach(word: str | Path, kind: str) -> Iterator[None]:
    """Around whatever opens `word`, a folder or a Hub name; `kind` is "dataset" or "model".

    Where the word is neither, the error says so in one line; those of an existing folder pass unchanged.
    """
    if Path(word).exists():
        yield
        return
    first, slash, _ = str(word).partition("/")
    if str(word).count("/") != 1 or not slash or first in ("", ".", "..", "~") or Path(first).is_dir():
        raise FileNotFoundError(
            f"There is no {kind} at {str(word)!r}: neither a folder nor a Hub name user/name."
        )
    try:
        with cache_alone_where_unreachable():
            yield
    except (*NOT_FOUND, OSError) as reason:
        if not isinstance(reason, NOT_FOUND) and reason.errno is not None:  # of the disk
            raise
        if any(isinstance(own, GatedRepoError) for own in _reasons(reason)):
            raise FileNotFoundError(
                f"the {kind} {word} is gated: ask for access at {constants.ENDPOINT}/{word}, then log in "
                "with `hf auth login`"
            ) from reason
        lost = _lost_connection(reason)
        raise (OutOfReach if lost else FileNotFoundError)(
            f"There is no folder {word}, and no {kind} of this name within reach on the Hub "
            f"({first_line(lost or reason)})."
        ) from reason


def _lost_connection(mistake: BaseException) -> BaseException | None:
    """The lack of a connection, where it is among the reasons; an answer of the Hub is none."""
    for reason in _reasons(mistake):
        if isinstance(reason, LocalEntryNotFoundError | ConnectionError):
            return reason
        if isinstance(reason, HfHubHTTPError):
            return None
        if isinstance(reason, ConnectionLost):
            return reason
    return None


def _reasons(mistake: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised for, and so on."""
    while mistake is not None:
        yield mistake
        mistake = mistake.__cause__ or mistake.__context__


@contextmanager
def cache_alone_where_unreachable() -> Iterator[None]:
    """Spares the minutes for which the libraries would ask a Hub again that no route leads to."""
    loaded: list[Any] = [constants, sys.modules.get("datasets.config")]
    settings = [own for own in loaded if own is not None]
    before = [own.HF_HUB_OFFLINE for own in settings]
    unreachable = not (all(before) or _hub_answers())
    for own in settings if unreachable else ():
        own.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for own, value in zip(settings, before, strict=True):
            own.HF_HUB_OFFLINE = value


def _hub_answers() -> bool:
    if urllib.request.getproxies():  # only the proxy could tell
        return True
    address = urlsplit(constants.ENDPOINT)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname, port), timeout=PATIENCE).close()
    except OSError:
        return False
    return True


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
