"""How the commands that build a dataset end: with what was built, or with what goes on where they stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from dataset_builder.building.dataset import BuiltDataset


def tell(build: Callable[[], BuiltDataset], out: str, what: str, as_json: bool) -> None:
    """Build, and say how many pairs (`what`) there are and where."""
    from diffusers_attnmask.ground.places import read_with, shown

    try:
        built = build()
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps({"out": str(out), **built.tally.to_dict(), "incidents": built.incidents}))
        return
    typer.echo(f"{built.tally.pairs} {what} are in {shown(out)}; read them with {read_with(out)}")
    for reason, number in built.tally.skipped.items():
        details = (own["detail"] for own in built.tally.examples if own["reason"] == reason)
        typer.echo(f"left out: {number}, {reason}: {next(details, '')}".rstrip(": "))
    if built.address is not None:
        typer.echo(f"pushed to {built.address}")
