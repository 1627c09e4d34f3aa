"""Whether to begin from pretrained weights: required, never, or when they can be had."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal, TypeVar, get_args

from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from diffusers_attnmask.ground.hub_errors import cache_alone_where_unreachable

Pretrained = Literal["auto", "require", "none"]
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
        with cache_alone_where_unreachable():
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
