"""Whether to begin from pretrained weights: required, never, or when they can be had."""

from __future__ import annotations

import socket
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar, get_args
from urllib.parse import urlsplit

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

Pretrained = Literal["auto", "require", "none"]
PATIENCE = 5.0  # seconds for the Hub to take a connection
UNREACHABLE = (
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    HfHubHTTPError,
    ConnectionError,
    TimeoutError,
    OSError,
)

Built = TypeVar("Built")


def build(policy: str, pretrained: Callable[[], Built], random: Callable[[], Built], what: str) -> Built:
    """The pretrained model, or the random one as the policy allows."""
    if policy not in get_args(Pretrained):
        raise ValueError(f"pretrained is one of {', '.join(get_args(Pretrained))}, not {policy!r}.")
    if policy == "none":
        return random()
    try:
        with _cache_alone_where_unreachable():
            return pretrained()
    except UNREACHABLE as error:
        reason = str(error).strip().split("\n")[0]
        if policy == "require":
            raise ConnectionError(
                f"Pretrained weights of {what} cannot be reached ({reason}). Connect to the network once, "
                'so that they are cached, or train from random weights with pretrained="none".'
            ) from error
        warnings.warn(
            f"Pretrained weights of {what} cannot be reached; training begins from random weights.",
            UserWarning,
            stacklevel=3,
        )
        return random()


@contextmanager
def _cache_alone_where_unreachable() -> Iterator[None]:
    """Spares the minutes for which the libraries would ask a Hub again that no route leads to."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


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
