"""Bars on the error stream: what is done of how much, how fast, and how long the rest will take.

Every bar of every command is made here, so that all look alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from tqdm import tqdm

Thing = TypeVar("Thing")
FORM = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{rate_fmt}, {remaining} left{postfix}]"
STYLE: dict[str, Any] = {
    "bar_format": FORM,
    "dynamic_ncols": True,
    "mininterval": 0.2,  # seconds
}


class Bar(tqdm, Generic[Thing]):
    """Around things that are taken one by one, or moved by `update` where there are none."""

    def say(self, what: object) -> None:
        """What stands behind the bar: a picture that was written, or what was kept so far."""
        self.set_postfix_str(str(what), refresh=False)


def bar(
    things: Iterable[Thing],
    title: str,
    total: int | None = None,
    *,
    unit: str = "pair",
    first: int = 0,
    shown: bool = True,
    passing: bool = False,
) -> Bar[Thing]:
    """A bar around things that begins at `first`; one that is only passing leaves no line behind."""
    return Bar(things, title, total, unit=unit, initial=first, disable=not shown, leave=not passing, **STYLE)


def moving_bar(
    title: str,
    total: int,
    *,
    unit: str = "pair",
    first: int = 0,
    shown: bool = True,
    passing: bool = False,
) -> Bar[None]:
    """A bar that `update` moves."""
    return Bar(None, title, total, unit=unit, initial=first, disable=not shown, leave=not passing, **STYLE)


def style(title: str, unit: str = "step") -> dict[str, Any]:
    """For the bar of a pipeline's own steps (`set_progress_bar_config`)."""
    return {"desc": title, "unit": unit, "disable": False, **STYLE}
